"""Labels joined to the store's text, and the token ids that training reads.

Labels are keyed by message, and the text comes from `messages`: lineage then runs from the
channel tables to the model, and a correction upstream reaches the corpus.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED, when_changed
from pax_assets.defs.freshness import DAILY_FRESHNESS, SEASONAL_FRESHNESS
from pax_assets.defs.metadata import markdown_table, table_metadata
from pax_assets.defs.resources import LakeResource
from pax_assets.settings import load_settings

GROUP = "corpus"
# All but where it came from: equal labels make an equal dataset.
DATASET_IDENTITY = ("*.parquet", "*_gold.jsonl", "labels.json", "tokenizer.json", "dataset.json")
OWNERS = ["team:ml"]


@dg.multi_observable_source_asset(
    specs=[
        dg.AssetSpec(
            "label_sources",
            group_name=GROUP,
            owners=OWNERS,
            kinds={"jsonl"},
            description=(
                "Where gold labels come from: the files under `PAX_LABELS` (JSON Lines in the "
                "annotated document format), or the sample corpus that PAX ships. Its data "
                "version is a hash of their content, so that only a changed label starts a "
                "training."
            ),
            automation_condition=dg.AutomationCondition.on_cron("*/15 * * * *"),
            freshness_policy=DAILY_FRESHNESS,
        )
    ]
)
def label_sources() -> Iterator[dg.ObserveResult]:
    """Observe the label files' content hash."""
    from pax_assets.corpora.sources import configured_source

    source = configured_source(load_settings())
    yield dg.ObserveResult(
        asset_key="label_sources",
        data_version=dg.DataVersion(source.version()),
        metadata={"source": source.name},
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "delta"},
    deps=[
        label_sources.key,
        dg.AssetDep("messages", partition_mapping=dg.AllPartitionMapping()),
    ],
    description=(
        "Labelled documents in one format: labels keyed by `message_id` joined to the text in "
        "`messages`; labels of messages that are not in the store bring their own text."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "offsets_match_surface",
            asset="annotations",
            blocking=True,
            description="Every labelled span covers the same characters in the store's text as "
            "in the text that was labelled.",
        )
    ],
    # `messages` changes every day; labels are what asks for a new corpus.
    automation_condition=when_changed("label_sources"),
    freshness_policy=SEASONAL_FRESHNESS,
)
def annotations(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Join the labels to the store and write the corpus as one table."""
    from pax_assets.corpora.annotations import join_labels, to_table
    from pax_assets.corpora.sources import configured_source
    from pax_assets.lake import content_hash
    from pax_assets.lake.commit import overwrite

    source = configured_source(load_settings())
    joined = join_labels(source.documents(), lake.root)
    table = to_table(joined.documents)
    version = overwrite(lake.root, "annotations", table)
    context.log.info(
        "%d documents, %d of them tied to a message in the store",
        len(joined.documents),
        joined.from_store,
    )
    labels = Counter(
        f"{kind}: {item.type}"
        for document in joined.documents
        for kind in ("entities", "events", "relations")
        for item in getattr(document, kind)
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(content_hash(table)),
        metadata={
            **table_metadata(table),
            "source": source.name,
            "documents_from_store": joined.from_store,
            "documents_with_own_text": len(joined.documents) - joined.from_store,
            "labels": dg.MetadataValue.md(
                markdown_table([{"label": k, "count": n} for k, n in sorted(labels.items())])
            ),
            "delta_version": version,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="offsets_match_surface",
                passed=not joined.mismatched,
                metadata={
                    "mismatched": len(joined.mismatched),
                    "documents": ", ".join(joined.mismatched[:20]),
                },
            )
        ],
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"huggingface", "parquet"},
    deps=["annotations"],
    description=(
        "Token ids, word boundaries and labels for each head, cut into windows, split by "
        "conversation into train, dev and test."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "no_leak_between_splits",
            asset="tokenized_dataset",
            blocking=True,
            description="No conversation and no document lies in two splits.",
        ),
        dg.AssetCheckSpec(
            "labels_can_be_learnt",
            asset="tokenized_dataset",
            blocking=False,
            description="Every label has an example in train; those of dev and test alone are "
            "named with their documents.",
        ),
    ],
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
    freshness_policy=SEASONAL_FRESHNESS,
)
def tokenized_dataset(lake: LakeResource) -> dg.MaterializeResult:
    """Tokenize `annotations` with the configured encoder's tokenizer and publish the result."""
    from pax_assets.corpora.annotations import from_table
    from pax_assets.corpora.dataset_summary import LOSSES
    from pax_assets.corpora.leaks import find_leaks
    from pax_assets.corpora.sources import configured_source
    from pax_assets.corpora.tokenize import tokenize
    from pax_assets.lake import content_hash
    from pax_assets.lake.tables import read, version
    from pax_assets.recipes import configured_recipe
    from pax_assets.training.encoder import resolve

    settings = load_settings()
    encoder = configured_recipe(settings).encoder
    table = read(lake.root, "annotations")
    lineage = {
        name: {"delta_version": version(lake.root, name)} for name in ("annotations", "messages")
    }
    lineage["annotations"]["data_version"] = content_hash(table)
    with tempfile.TemporaryDirectory() as folder:
        summary = tokenize(
            from_table(table),
            resolve(encoder),
            Path(folder),
            encoder_name=encoder,
            # Not divided by the seed of trainings: dev and test stay what they are when that
            # changes, or the champion would be judged on what it learnt from.
            licences=configured_source(settings).licences(),
        )
        leaks = find_leaks(Path(folder))
        (Path(folder) / "lineage.json").write_text(json.dumps(lineage, indent=2))
        artifact = lake.artifacts().publish("tokenized_dataset", Path(folder), DATASET_IDENTITY)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(artifact.version),
        metadata={
            "path": dg.MetadataValue.path(str(artifact.path)),
            "encoder": encoder,
            "splits": dg.MetadataValue.md(
                markdown_table(
                    [{"split": name, **counts} for name, counts in summary["counts"].items()]
                )
            ),
            # What labels lost on the way to tokens; all zero on a clean corpus.
            **{name: summary[name] for name in LOSSES},
            "lost_in": dg.MetadataValue.json(summary["lost_in"]),
            "sources": dg.MetadataValue.md(
                markdown_table(
                    [
                        {**source, "silent_on": ", ".join(source["silent_on"]) or "nothing"}
                        for source in summary["sources"]
                    ]
                )
            ),
            "examples": dg.MetadataValue.md(
                markdown_table(
                    [{"label": name, **found} for name, found in summary["examples"].items()]
                )
            ),
            "texts_in_two_splits": summary["texts_in_two_splits"],
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="no_leak_between_splits",
                passed=not leaks,
                metadata={"shared": len(leaks), "examples": ", ".join(leaks[:20])},
            ),
            dg.AssetCheckResult(
                check_name="labels_can_be_learnt",
                passed=not summary["not_in_train"],
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    label: f"in {', '.join(documents)}"
                    for label, documents in summary["not_in_train"].items()
                },
            ),
        ],
    )
