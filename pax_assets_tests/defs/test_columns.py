"""Every column of every table is described, and lineage names columns that exist."""

import pytest

from pax_assets.defs.channels import columns as channels
from pax_assets.defs.feature_store import columns, lineage
from pax_assets.defs.maintenance import columns as maintenance
from pax_assets.lake.schemas import SCHEMAS

DESCRIPTIONS = {
    "raw_sms": channels.RAW,
    "raw_whatsapp": channels.RAW,
    "raw_email": channels.RAW,
    "channel_events": channels.CHANNEL_EVENTS,
    "quarantine": channels.QUARANTINE,
    "ledger": channels.LEDGER,
    "message_keys": channels.MESSAGE_KEYS,
    "messages": columns.MESSAGES,
    "message_features": columns.MESSAGE_FEATURES,
    "feature_state": columns.FEATURE_STATE,
    "conversations": columns.CONVERSATIONS,
    "participants": columns.PARTICIPANTS,
    "identity_evidence": columns.IDENTITY_EVIDENCE,
    "identity_clusters": columns.IDENTITY_CLUSTERS,
    "table_statistics": maintenance.TABLE_STATISTICS,
    "erasures": maintenance.ERASURES,
}
LINEAGE = {
    "messages": lineage.MESSAGES,
    "message_features": lineage.MESSAGE_FEATURES,
    "conversations": lineage.CONVERSATIONS,
    "participants": lineage.PARTICIPANTS,
    "identity_evidence": lineage.IDENTITY_EVIDENCE,
}


@pytest.mark.parametrize("table", SCHEMAS)
def test_every_column_of_every_table_has_a_description(table):
    described = DESCRIPTIONS[table]
    assert set(described) == set(SCHEMAS[table].names)
    assert all(text == text.strip() and len(text) > 10 for text in described.values())


@pytest.mark.parametrize("table", LINEAGE)
def test_lineage_leads_from_columns_to_columns(table):
    names = set(SCHEMAS[table].names)
    # What does not follow from a column: which identifier was at work.
    assert names - set(LINEAGE[table]) <= {"language_by"}
    assert set(LINEAGE[table]) <= names
    for sources in LINEAGE[table].values():
        assert sources
        for source in sources:
            upstream, _, column = source.rpartition(".")
            assert column in SCHEMAS[upstream].names
