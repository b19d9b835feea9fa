"""Pages and details of datasets, as HTML: for the site of the runs, and for rows in notebooks."""
