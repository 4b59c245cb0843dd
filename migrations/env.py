"""Alembic environment: runs on the connection that `app.adapters.schema` hands over, which also holds the lock.

On its own (``alembic -c migrations/alembic.ini …``) it only writes new revisions and prints SQL; databases are migrated
by ``trimtab migrate``.
"""

from alembic import context
from sqlalchemy import Connection

from models.db.tables import audit_entry

metadata = audit_entry.metadata


def run(connection: Connection) -> None:
    """Run the requested steps in one transaction."""
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True, render_as_batch=False)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    run(context.config.attributes["connection"])
