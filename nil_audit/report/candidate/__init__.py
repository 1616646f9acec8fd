"""A candidate's report: what to do in three sentences, the shapes of its budget, everything else as details."""
