"""How results look in a notebook: figures with tooltips, tables, small pieces of HTML."""
