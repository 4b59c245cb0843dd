"""The wire contract (`models.api`) and the tables (`models.db`)."""
