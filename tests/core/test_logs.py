import logging
import re
import threading

from kpfnb.core import logs, project


def test_lines_have_utc_times_and_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("KPFNB_REDIS_URL", "redis://:geheim@host:6379/0")
    monkeypatch.setenv("TZ", "Pacific/Honolulu")
    handler = logs.add_file_handler(tmp_path / "log.txt")
    try:
        logging.getLogger("some").info("at redis://:geheim@host:6379/0 again")
    finally:
        logs.remove_handler(handler)
    logging.getLogger("some").warning("later")
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    some: at \*+ again$", line)


def test_secrets_stay_hidden_when_the_settings_can_not_be_read_any_more(tmp_path, monkeypatch):
    monkeypatch.setenv("KPFNB_REDIS_URL", "redis://:geheim@host:6379/0")
    assert logs.redact_secrets("redis://:geheim@host:6379/0") == logs.HIDDEN
    (tmp_path / project.SETTINGS_FILE_NAME).write_text("half a li")
    assert logs.redact_secrets("at redis://:geheim@host:6379/0") == f"at {logs.HIDDEN}"


def test_threads_keep_their_logs_apart(tmp_path):
    def work(name: str) -> None:
        with logs.thread_log(tmp_path / name):
            barrier.wait(10)
            logging.getLogger("work").info("this is %s", name)
            barrier.wait(10)

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("one", "two"):
        (line,) = (tmp_path / name).read_text().splitlines()
        assert line.endswith(f"this is {name}")


def test_the_console_is_set_up_once(capsys):
    root = logging.getLogger()
    before = [handler for handler in root.handlers if handler.name != "kpfnb"]
    mended, root.handlers = root.handlers, [*before]
    try:
        logs.log_to_console()
        logs.log_to_console(logging.ERROR)
        added = [handler for handler in root.handlers if handler not in before]
        assert [handler.level for handler in added] == [logging.ERROR]
    finally:
        root.handlers = mended
