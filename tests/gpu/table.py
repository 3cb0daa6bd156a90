"""The results: a table on stdout, gpu.json, and rows for docs/gpu.md."""

import json

GOOD = ("pass", "skip")


def text_table(rows):
    names = max([len(row["name"]) for row in rows] + [4])
    lines = [f"{'step':<{names}}  {'status':<7}  {'seconds':>7}  detail"]
    lines += [f"{row['name']:<{names}}  {row['status']:<7}  {row['seconds']:>7.1f}  {row['detail']}" for row in rows]
    return "\n".join(lines)


def counts(rows):
    statuses = [row["status"] for row in rows]
    return ", ".join(f"{statuses.count(status)} {word}" for status, word in (
        ("pass", "passed"), ("fail", "failed"), ("timeout", "over the time limit"), ("skip", "skipped")) if status in statuses)


def markdown_rows(report):
    """A row per group of steps, as in docs/gpu.md."""
    gpu = f"{report['gpus']} x {report['gpu']}" + (f", driver {report['driver']}" if report["driver"] else "")
    lines = ["| Steps | GPU | When | Program | Result |", "| --- | --- | --- | --- | --- |"]
    for group in dict.fromkeys(row["group"] for row in report["rows"]):
        rows = [row for row in report["rows"] if row["group"] == group]
        broken = [row["name"] for row in rows if row["status"] not in GOOD]
        result = counts(rows) + (": " + ", ".join(broken) if broken else "")
        lines.append(f"| {group} | {gpu} | {report['date'][:10]} | {report['program']} | {result} |")
    return "\n".join(lines) + "\n"


def write_report(folder, report):
    """Called after each step, so that a script that is killed leaves what it found."""
    for name, text in (("gpu.json", json.dumps(report, indent=1) + "\n"), ("table.md", markdown_rows(report))):
        part = folder / f".{name}"
        part.write_text(text)
        part.replace(folder / name)
