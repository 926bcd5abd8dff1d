"""Enforcements. Row-level security is forced: a service names one tenant, the background worker those it serves."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ONE = "tenant = current_setting('app.tenant', true) and environment = current_setting('app.environment', true)"
_MANY = "tenant = any (string_to_array(current_setting('app.tenants', true), ','))"


def upgrade() -> None:
    op.execute("""
        create table enforcement.enforcements (
            tenant text not null check (tenant <> ''),
            environment text not null check (environment <> ''),
            enforcement_id uuid not null,
            user_id text not null,
            channel_id text not null, -- empty: everywhere
            kind smallint not null, -- moat.enforcement.v1.EffectKind
            category text not null,
            rule_ids text[] not null,
            decision_id text not null, -- empty: a person or service asked for it
            actor text not null,
            reason text not null,
            request_digest bytea not null, -- tells a repeat from a reuse of a request id
            create_time timestamptz not null,
            expire_time timestamptz, -- null: never
            reverse_time timestamptz,
            reverse_actor text,
            reverse_reason text,
            cached boolean not null, -- whether the read cache knows of its present state
            primary key (tenant, environment, enforcement_id)
        )""")
    # What holds for a user: mutes (5) and bans (6) that were not taken back.
    op.execute("""
        create index restrictions on enforcement.enforcements (tenant, environment, user_id)
        where kind in (5, 6) and reverse_time is null""")
    op.execute("create index uncached on enforcement.enforcements (tenant) where not cached")
    op.execute("create index on enforcement.enforcements (tenant, environment, decision_id) where decision_id <> ''")
    op.execute("alter table enforcement.enforcements enable row level security")
    op.execute("alter table enforcement.enforcements force row level security")
    for role, condition in (("moat_enforcement", _ONE), ("moat_enforcement_worker", _MANY)):
        op.execute(
            f"create policy {role} on enforcement.enforcements to {role} using ({condition}) with check ({condition})"
        )
        op.execute(f"grant usage on schema enforcement to {role}")
        op.execute(f"grant select, insert, update on enforcement.enforcements to {role}")


def downgrade() -> None:
    op.execute("drop table enforcement.enforcements")
