"""The shared database: tables, migrations, transactions, and the queries that several services need."""
