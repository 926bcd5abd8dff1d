"""Evidence: which files are kept, which of them records name, who holds and who has read them.

The bytes are in the object store. Row-level security as before: the service acts as one tenant in one environment. The retention
worker (`moat_audit_retention`) sees every tenant's files and holds, because a tenant that is no longer configured must not be
kept for ever; it sees no decision, no key and no reading. Readings can be added and read, never changed.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant', true) and environment = current_setting('app.environment', true)"
_DRAINS = "tenant = any (string_to_array(current_setting('app.tenants', true), ','))"
_OWN = """
    tenant text not null check (tenant <> ''),
    environment text not null check (environment <> ''),
    evidence_id uuid not null,
    decision_id uuid not null"""


def upgrade() -> None:
    op.execute(f"""
        create table audit.evidence ({_OWN},
            part smallint not null check (part >= 0),
            kind text not null check (kind in ('image', 'audio')),
            sha256 bytea not null check (length(sha256) = 32),
            size bigint not null check (size > 0),
            key_id uuid not null,
            delete_time timestamptz not null,
            -- keeping: its object may or may not be there; kept: it is; deleting: it may be gone; deleted: it is gone
            state text not null default 'keeping' check (state in ('keeping', 'kept', 'deleting', 'deleted')),
            named boolean not null default false, -- a record names it, or will when a spool is replayed
            why_deleted text not null default '' check (why_deleted in ('', 'expired', 'unnamed')),
            keep_time timestamptz not null default now(),
            gone_time timestamptz,
            primary key (tenant, environment, evidence_id)
        )""")
    op.execute("create index on audit.evidence (tenant, environment, decision_id)")
    op.execute("create index on audit.evidence (delete_time) where state <> 'deleted'")
    op.execute("create index on audit.evidence (keep_time) where not named and state in ('keeping', 'kept')")
    op.execute(f"""
        create table audit.evidence_named ({_OWN},
            insert_time timestamptz not null default now(),
            primary key (tenant, environment, evidence_id)
        )""")
    op.execute(f"""
        create table audit.evidence_holds (
            hold_id uuid primary key,{_OWN},
            held_by text not null,
            reason text not null,
            hold_time timestamptz not null default now(),
            released_by text not null default '',
            release_reason text not null default '',
            release_time timestamptz,
            foreign key (tenant, environment, evidence_id) references audit.evidence
        )""")
    op.execute("create index on audit.evidence_holds (tenant, environment, evidence_id)")
    op.execute("create index on audit.evidence_holds (hold_id) where release_time is null")
    op.execute(f"""
        create table audit.evidence_readings (
            reading_id uuid primary key,{_OWN},
            reader text not null check (reader <> ''),
            reason text not null check (reason <> ''),
            read_time timestamptz not null default now()
        )""")
    op.execute(
        "create index on audit.evidence_readings (tenant, environment, decision_id, read_time desc, reading_id desc)"
    )
    for table in ("evidence", "evidence_named", "evidence_holds", "evidence_readings"):
        op.execute(f"alter table audit.{table} enable row level security")
        op.execute(f"alter table audit.{table} force row level security")
    for table in ("evidence", "evidence_holds", "evidence_readings"):
        op.execute(f"create policy acts on audit.{table} to moat_audit using ({_TENANT}) with check ({_TENANT})")
        op.execute(f"grant select, insert on audit.{table} to moat_audit")
    op.execute("grant update (state, keep_time) on audit.evidence to moat_audit")
    op.execute("grant update (released_by, release_reason, release_time) on audit.evidence_holds to moat_audit")
    # Keys come with the files that they seal, as the drain moves those of contents.
    op.execute(f"create policy keeps on audit.subject_keys for insert to moat_audit with check ({_TENANT})")
    op.execute("grant insert on audit.subject_keys to moat_audit")
    op.execute(f"create policy drains on audit.evidence_named for insert to moat_audit_drain with check ({_DRAINS})")
    op.execute("grant insert on audit.evidence_named to moat_audit_drain")
    for table in ("evidence", "evidence_named", "evidence_holds"):
        op.execute(f"create policy retires on audit.{table} to moat_audit_retention using (true)")
        op.execute(f"grant select on audit.{table} to moat_audit_retention")
    op.execute("grant update (state, named, why_deleted, gone_time) on audit.evidence to moat_audit_retention")
    op.execute("grant usage on schema audit to moat_audit_retention")


def downgrade() -> None:
    op.execute("drop table audit.evidence_readings, audit.evidence_holds, audit.evidence_named, audit.evidence")
    op.execute("drop policy keeps on audit.subject_keys")
    op.execute("revoke insert on audit.subject_keys from moat_audit")
