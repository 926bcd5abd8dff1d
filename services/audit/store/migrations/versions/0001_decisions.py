"""Decisions, data keys and quarantine.

Row-level security is forced, so that even the owner sees nothing without naming a tenant: readers name one tenant and
environment, the drain names the tenants of its batch and may only insert.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_READS = "tenant = current_setting('app.tenant', true) and environment = current_setting('app.environment', true)"
_DRAINS = "tenant = any (string_to_array(current_setting('app.tenants', true), ','))"


def upgrade() -> None:
    op.execute("""
        create table audit.decisions (
            tenant text not null check (tenant <> ''),
            environment text not null check (environment <> ''),
            decision_id uuid not null,
            request_id text not null,
            user_id text not null,
            channel_id text not null,
            surface text not null,
            outcome text not null,
            category text not null,
            severity smallint not null,
            policy_hash text not null,
            degraded text[] not null,
            duplicate_of text not null,
            decide_time timestamptz not null,
            record bytea not null, -- a serialised DecisionRecord, without the wrapped key
            insert_time timestamptz not null default now(),
            primary key (tenant, environment, decision_id)
        )""")
    op.execute("create index on audit.decisions (tenant, environment, decide_time desc, decision_id desc)")
    op.execute("create index on audit.decisions (tenant, environment, user_id, decide_time desc)")
    op.execute("create index on audit.decisions (tenant, environment, request_id)")
    op.execute("""
        create table audit.subject_keys (
            tenant text not null check (tenant <> ''),
            environment text not null check (environment <> ''),
            key_id uuid not null,
            user_id text not null,
            wrapped_key bytea not null,
            insert_time timestamptz not null default now(),
            primary key (tenant, environment, key_id)
        )""")
    op.execute("create index on audit.subject_keys (tenant, environment, user_id)")
    op.execute("""
        create table audit.quarantine (
            stream text not null,
            entry_id text not null,
            entry bytea not null,
            insert_time timestamptz not null default now(),
            primary key (stream, entry_id)
        )""")
    for table in ("decisions", "subject_keys"):
        op.execute(f"alter table audit.{table} enable row level security")
        op.execute(f"alter table audit.{table} force row level security")
        op.execute(f"create policy reads on audit.{table} for select to moat_audit using ({_READS})")
        op.execute(f"create policy drains on audit.{table} for insert to moat_audit_drain with check ({_DRAINS})")
        op.execute(f"grant select on audit.{table} to moat_audit")
        op.execute(f"grant insert on audit.{table} to moat_audit_drain")
    op.execute("grant usage on schema audit to moat_audit, moat_audit_drain")
    op.execute("grant insert on audit.quarantine to moat_audit_drain")


def downgrade() -> None:
    op.execute("drop table audit.quarantine, audit.subject_keys, audit.decisions")
