#!/usr/bin/env python3
"""Breaks the rules one at a time and asks the tests of the pure floors whether they notice.

    scripts/mutants.py --sample 100 --seed 1            a random sample over execution and the rooms
    scripts/mutants.py --files 'src/domain/payments/*'  everything of some files
    scripts/mutants.py --list --files src/execution/apply.rs

A mutant is one change of one place: a comparison, an operator, a constant, a condition, a statement left out, a function that
answers a default. F0 to F3 are copied into the target directory and compiled there by themselves, without RocksDB and the engine; the
working tree is never touched. Mutants within functions are compiled together, each an arm of a `match` around the function's body
that the environment chooses, so that most cost a run of their room's tests and no build; what does not fit into one is built
alone. A mutant is killed if a test fails or hangs, survives if all pass, and is unviable if it does not
compile. Each result is a line of JSON in `results.jsonl` beside the copy, and a later run passes over what stands there
unless the file has changed since.

The tests that stand in `src/` judge here; those of `tests/`, which need the whole node, do not. So a survivor is a question, not
yet a gap.

Deliberately absent: parsing. The sources are formatted by rustfmt, and that is enough to tell ` < ` from `Vec<u8>`; what
is misread does not compile, and costs one build.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict, namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("primitives", "ledger", "domain", "execution")
FILES_DEFAULT = ("src/execution/*", "src/domain/*")
# What the floors' tests need beside the floors' own dependencies.
TEST_DEPENDENCIES = ("ed25519-dalek", "proptest", "tempfile", "ct-merkle")
# Tests that take long, which only those mutants meet that survive the others.
SLOW_TESTS = ("histories", "closed_loop", "no_flipped_bit")
# A mutant may loop for ever. The whole suite takes less than a minute of the processor, on which nobody else's work counts; and one that
# waits for ever takes none of it.
PROCESSOR_SECONDS_MAX = 200
WAIT_SECONDS_MAX = 3_600

# `line` and `end` are the first and the last line that `after` takes the place of.
Mutant = namedtuple("Mutant", "file line end what before after text")
# The head of a function with a body. One that is `const` cannot ask the environment.
HEAD = re.compile(r"^(\s*)(pub(\(\w+\))? )?fn \w+")
# Rounds of leaving out what does not compile, before all is built alone.
ROUNDS_MAX = 8

SWAPS = [
    (" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > "), (" == ", " != "), (" != ", " == "),
    (" + ", " - "), (" - ", " + "), (" * ", " / "), (" / ", " * "), (" % ", " / "),
    (" += ", " -= "), (" -= ", " += "), (" && ", " || "), (" || ", " && "),
    ("..=", ".."), (".min(", ".max("), (".max(", ".min("), (".is_some()", ".is_none()"), (".is_none()", ".is_some()"),
    (".is_some_and(", ".is_none_or("), (".is_none_or(", ".is_some_and("), (".all(", ".any("), (".any(", ".all("),
    (".checked_add(", ".checked_sub("), (".checked_sub(", ".checked_add("), (".is_ok()", ".is_err()"),
    (".first()", ".last()"), (".last()", ".first()"), (".skip(1)", ".skip(0)"), (".div_ceil(", ".strict_div("),
]
DEFAULTS = [
    (r"bool", ["true", "false"]), (r"Result<\(\), .*>", ["Ok(())"]), (r"Option<.*>", ["None"]),
    (r"u(8|16|32|64|128|size)", ["0", "1"]), (r"Vec<.*>", ["Vec::new()"]), (r"Amount", ["Amount::ZERO"]),
]
SKIPPED_LINE = re.compile(r"^\s*(//|#\[|#!\[|use |pub use |mod |pub mod |debug_assert|codec_|impl|pub trait|trait |where\b)")


# The module that says which mutant is awake.
SWITCH = """use std::sync::OnceLock;

pub fn awake() -> u32 {
    static AWAKE: OnceLock<u32> = OnceLock::new();
    *AWAKE.get_or_init(|| std::env::var("CAUSEWAY_MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0))
}
"""


def is_test_file(path):
    """Whether a file is compiled for tests only: it, or a folder above it, is declared under cfg(test)."""
    for part in (path, *path.parents):
        if part == ROOT / "src":
            return False
        for declaring in (part.parent / "mod.rs", part.parent.with_suffix(".rs")):
            if declaring.exists() and re.search(
                rf"#\[cfg\(test\)\]\n(pub )?(pub\(\w+\) )?mod {part.stem};", declaring.read_text()
            ):
                return True
    return False


def masked(line):
    """The line with everything in quotes and after `//` blanked, so that no mutation falls there."""
    line = re.sub(r'"(\\.|[^"\\])*"', lambda quoted: '"' + "\0" * (len(quoted[0]) - 2) + '"', line)
    line = re.sub(r"'(\\.|[^'\\])'", lambda quoted: "'" + "\0" * (len(quoted[0]) - 2) + "'", line)
    return re.sub(r"//.*", lambda comment: "\0" * len(comment[0]), line)


def of_line(lines, index):
    """What one line can become: (what is changed, the new line)."""
    line = lines[index]
    code = masked(line)
    for before, after in SWAPS:
        for found in re.finditer(re.escape(before), code):
            # Two comparisons side by side are a range of types or a shift; a let chain has no other operator.
            if code[found.end():].startswith("let ") or re.search(r"\b(dyn|impl|where)\b", code):
                continue
            yield f"{before.strip()} -> {after.strip()}", line[: found.start()] + after + line[found.end():]
    for found in re.finditer(r"(?<![\w.\[])\d[\d_]*(?![\w.\]])", code):
        number = int(found[0].replace("_", ""))
        yield f"{found[0]} -> {number + 1}", line[: found.start()] + str(number + 1) + line[found.end():]
    for found in re.finditer(r"\b(true|false)\b", code):
        other = "false" if found[0] == "true" else "true"
        yield f"{found[0]} -> {other}", line[: found.start()] + other + line[found.end():]
    condition = re.match(r"^(\s*(?:\} else )?if )((?!let ).* )\{$", line)
    if condition and " let " not in condition[2]:
        for with_what in ("true", "false"):
            yield f"if {with_what}", f"{condition[1]}{with_what} {{"
    statement = re.match(r"^\s+[a-z][\w.:]*[.(!].*;$", code)
    whole = code.count("(") == code.count(")") and code.count("{") == code.count("}")
    if statement and whole and not re.match(r"^\s*(let|return|break|continue|const|type|static)\b", code):
        yield "statement left out", ""
    yield from of_function(lines, index)


def of_function(lines, index):
    """A function of which this line is the head, answering a default."""
    head = re.match(r"^(\s*)(pub(\(\w+\))? )?(const )?fn .*\)( -> (.*))? \{$", lines[index])
    if not head:
        return
    end = next((at for at in range(index + 1, len(lines)) if lines[at] == head[1] + "}"), None)
    if end is None or end == index + 1:
        return
    answers = [""] if head[6] is None else []
    answers += [each for shape, defaults in DEFAULTS if head[6] and re.fullmatch(shape, head[6]) for each in defaults]
    for answer in answers:
        yield f"answers {answer or 'nothing'}", (end, f"{lines[index]} {answer} }}")


def mutants_of(path):
    """Everything that a file can become."""
    text = path.read_text()
    name = str(path.relative_to(ROOT))
    lines = text.split("\n")
    tests = next(
        (at for at in range(len(lines) - 1) if lines[at] == "#[cfg(test)]" and lines[at + 1].startswith("mod ")
         and lines[at + 1].endswith("{")), len(lines))
    for index in range(tests):
        if SKIPPED_LINE.match(lines[index]) or not lines[index].strip():
            continue
        for what, changed in of_line(lines, index):
            end, after = changed if isinstance(changed, tuple) else (index, changed)
            mutated = lines[:index] + [after] + lines[end + 1:]
            yield Mutant(name, index + 1, end + 1, what, lines[index].strip(), after, "\n".join(mutated))


def chosen_files(patterns):
    files = []
    for path in sorted((ROOT / "src").rglob("*.rs")):
        name = str(path.relative_to(ROOT))
        pure = name.split("/")[1] in FLOORS
        if pure and any(fnmatch.fnmatch(name, pattern) for pattern in patterns) and not is_test_file(path):
            files.append(path)
    return files


def section(text, name):
    return re.search(rf"^\[{name}\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)[1]


def make_crate(crate):
    """The floors by themselves, as `parts/` compiles them, with their own tests."""
    crate.mkdir(parents=True, exist_ok=True)
    whole, parts = (ROOT / "Cargo.toml").read_text(), (ROOT / "parts/Cargo.toml").read_text()
    tests = [re.search(rf"^{name} = .*$", whole, re.M)[0] for name in TEST_DEPENDENCIES]
    profile = '[profile.dev]\nopt-level = 0\ndebug = "line-tables-only"\n[profile.dev.package."*"]\nopt-level = 2\ndebug = false\n'
    manifest = (
        '[package]\nname = "causeway-mutants"\nversion = "0.0.0"\nedition = "2024"\n[lib]\ndoctest = false\n'
        f"[dependencies]\n{section(parts, 'dependencies')}\n[dev-dependencies]\n" + "\n".join(tests)
        + f"\n{profile}[workspace]\n"
    )
    write_if_changed(crate / "Cargo.toml", manifest)
    if not (crate / "Cargo.lock").exists():
        shutil.copy(ROOT / "Cargo.lock", crate / "Cargo.lock")
    modules = "".join(f"pub mod {module};\n" for module in (*FLOORS, "mutant"))
    write_if_changed(crate / "src/mutant.rs", SWITCH)
    write_if_changed(crate / "src/lib.rs", f"#![allow(dead_code, unused, unreachable_code)]\n{modules}")
    for floor in FLOORS:
        for path in sorted((ROOT / "src" / floor).rglob("*.rs")):
            write_if_changed(crate / "src" / path.relative_to(ROOT / "src"), path.read_text())


def write_if_changed(path, text):
    """Writes a file only where it differs: cargo goes by times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def compile_crate(crate):
    """The test binary, or the places of what does not compile: (file, line)."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(crate / "target"))
    command = ["cargo", "test", "--offline", "--lib", "--no-run", "--message-format=json"]
    built = subprocess.run(command, cwd=crate, env=environment, capture_output=True, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    if built.returncode == 0:
        return next(message["executable"] for message in messages if message.get("executable")), []
    errors = [each["message"] for each in messages if each.get("message", {}).get("level") == "error"]
    spans = [span for error in errors for span in error["spans"]]
    if not spans:
        sys.exit(f"the floors do not compile by themselves:\n{built.stderr}")
    return None, [(span["file_name"], span["line_start"]) for span in spans]


def function_of(lines, line):
    """The innermost function around a line: its head, the line that opens its body, and the line that closes it."""
    for head in range(line - 1, -1, -1):
        found = HEAD.match(lines[head])
        if not found:
            continue
        opens = next((at for at in range(head, len(lines)) if lines[at].endswith(("{", ";"))), None)
        if opens is None or lines[opens].endswith(";"):
            continue
        closes = next((at for at in range(opens + 1, len(lines)) if lines[at] == found[1] + "}"), None)
        if closes is not None and closes >= line - 1:
            return head, opens, closes
    return None


def woven(file, numbered):
    """A file in which each of its mutants is an arm of a `match`, with the lines that each took, and the mutants that do not fit."""
    lines = (ROOT / file).read_text().split("\n")
    by_function, misfits = defaultdict(list), []
    for number, mutant in numbered:
        function = function_of(lines, mutant.line)
        inside = function and (function[1] < mutant.line - 1 or function[0] == mutant.line - 1) and mutant.end - 1 <= function[2]
        if inside:
            by_function[function].append((number, mutant))
        else:
            misfits.append((number, mutant))
    out, places, at = [], [], 0
    for (head, opens, closes), arms in sorted(by_function.items()):
        if head < at:
            misfits.extend(arms)
            continue
        out += lines[at : opens + 1] + ["match crate::mutant::awake() {"]
        for number, mutant in arms:
            if mutant.line - 1 == head:
                body = [mutant.after[len(lines[head]) : -1]]
            else:
                body = lines[opens + 1 : mutant.line - 1] + [mutant.after] + lines[mutant.end : closes]
            places.append((len(out) + 1, len(out) + len(body) + 2, number, mutant))
            out += [f"{number} => {{", *body, "}"]
        out += ["_ => {", *lines[opens + 1 : closes], "}", "}"]
        at = closes
    return "\n".join(out + lines[at:]), places, misfits


def weave(mutants, crate):
    """The binary that holds as many mutants as compile together, those with their numbers, and the others."""
    together, alone = list(enumerate(mutants, 1)), []
    for _ in range(ROUNDS_MAX):
        by_file = defaultdict(list)
        for number, mutant in together:
            by_file[mutant.file].append((number, mutant))
        places, misfits = {}, []
        make_crate(crate)
        for file, numbered in by_file.items():
            text, places[file], unfit = woven(file, numbered)
            misfits += unfit
            write_if_changed(crate / file, text)
        binary, errors = compile_crate(crate)
        broken = {
            number
            for file, line in errors
            for first, last, number, _ in places.get(file, ())
            if first <= line <= last
        }
        out = broken | {number for number, _ in misfits}
        alone += [mutant for number, mutant in together if number in out]
        together = [(number, mutant) for number, mutant in together if number not in out]
        if binary:
            return binary, together, alone
        if not broken:
            break
    make_crate(crate)
    return None, [], alone + [mutant for _, mutant in together]


def bound_processor():
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS_MAX, PROCESSOR_SECONDS_MAX + 5))


def run_tests(binary, crate, filters, awake=0):
    """None if all passed, else a test that failed, or that it took too long."""
    environment = dict(os.environ, PROPTEST_MAX_SHRINK_ITERS="0", PROPTEST_FAILURE_PERSISTENCE="off",
                       RUST_BACKTRACE="0", CAUSEWAY_MUTANT=str(awake))
    try:
        ran = subprocess.run([binary, *filters], cwd=crate, env=environment, capture_output=True, text=True,
                             timeout=WAIT_SECONDS_MAX, errors="replace", preexec_fn=bound_processor)
    except subprocess.TimeoutExpired:
        return "(waits for ever)"
    if ran.returncode == -signal.SIGXCPU:
        return "(runs for ever)"
    if ran.returncode == 0:
        return None
    failed = re.search(r"^test (\S+) \.\.\. FAILED", ran.stdout, re.M)
    return failed[1] if failed else "(aborted)"


def quick_killer(mutant, crate, binary, awake):
    """A test that fails without taking long, its room's own first: most mutants get no further."""
    quick = [word for slow in SLOW_TESTS for word in ("--skip", slow)]
    return run_tests(binary, crate, [room_of(mutant.file), *quick], awake) or run_tests(binary, crate, quick, awake)


def slow_killer(crate, binary, awake):
    """One of the tests that take long."""
    return run_tests(binary, crate, list(SLOW_TESTS), awake)


def judge_alone(mutant, crate):
    """What becomes of a mutant that is built by itself. The copy is as before afterwards."""
    path = crate / mutant.file
    original = path.read_text()
    path.write_text(mutant.text)
    try:
        binary, _ = compile_crate(crate)
        if not binary:
            return "unviable", ""
        killer = quick_killer(mutant, crate, binary, 0) or slow_killer(crate, binary, 0)
        return ("killed", killer) if killer else ("survived", "")
    finally:
        path.write_text(original)


def room_of(file):
    """The path of a file's room, as tests are named: `domain::trade::`."""
    return "::".join(Path(file).parts[1:-1]) + "::"


def key_of(mutant):
    return f"{mutant.file}:{mutant.line}:{mutant.what}:{hashlib.sha256(mutant.text.encode()).hexdigest()[:12]}"


def table(results):
    """A row for each file: how many, and what became of them."""
    of_file = defaultdict(Counter)
    for result in results:
        of_file[result["file"]][result["status"]] += 1
    yield "| file | mutants | killed | survived |"
    yield "|---|---|---|---|"
    total = Counter()
    for name in sorted(of_file):
        counts = of_file[name]
        total += counts
        yield f"| `{name}` | {counts['killed'] + counts['survived']} | {counts['killed']} | {counts['survived']} |"
    yield f"| all | {total['killed'] + total['survived']} | {total['killed']} | {total['survived']} |"
    yield f"\nNot compiling, and not counted: {total['unviable']}."


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", action="append", help="a pattern of files; several are allowed")
    parser.add_argument("--sample", type=int, help="so many mutants, drawn by the seed; all without it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="list the mutants and run none")
    parser.add_argument("--table", action="store_true", help="the table of what was run before, and run none")
    parser.add_argument("--again", action="store_true", help="run only those again that survived before")
    return parser.parse_args()


def main():
    asked = arguments()
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "mutants"
    log = target / "results.jsonl"
    known = {}
    if log.exists():
        known = {result["key"]: result for result in map(json.loads, log.read_text().splitlines())}
    if asked.table:
        print("\n".join(table(known.values())))
        return
    files = chosen_files(asked.files or FILES_DEFAULT)
    mutants = [mutant for path in files for mutant in mutants_of(path)]
    if asked.again:
        survivors = {(each["file"], each["what"], each["before"]) for each in known.values() if each["status"] == "survived"}
        mutants = [mutant for mutant in mutants if (mutant.file, mutant.what, mutant.before) in survivors]
    elif asked.sample is not None:
        mutants = random.Random(asked.seed).sample(mutants, min(asked.sample, len(mutants)))
    if asked.list:
        for mutant in mutants:
            print(f"{mutant.file}:{mutant.line}: {mutant.what}\n    {mutant.before}\n    {mutant.after.strip()}")
        print(f"{len(mutants)} mutants in {len(files)} files")
        return
    run(mutants, target / "crate", log, {} if asked.again else known)


def run(mutants, crate, log, known):
    make_crate(crate)
    binary, errors = compile_crate(crate)
    if binary is None:
        sys.exit(f"the floors do not compile by themselves: {errors}")
    failing = run_tests(binary, crate, [])
    if failing:
        sys.exit(f"the tests fail before anything is broken: {failing}")
    results = [known[key_of(mutant)] for mutant in mutants if key_of(mutant) in known]
    left = [mutant for mutant in mutants if key_of(mutant) not in known]
    binary, together, alone = weave(left, crate)
    print(f"{len(results)} known from before, {len(together)} compiled together, {len(alone)} to be built alone", flush=True)

    def note(mutant, began, status, killer):
        result = dict(key=key_of(mutant), file=mutant.file, line=mutant.line, what=mutant.what, before=mutant.before,
                      after=mutant.after.strip(), status=status, killer=killer)
        results.append(result)
        with log.open("a") as out:
            out.write(json.dumps(result) + "\n")
        print(f"{len(results)}/{len(mutants)} {status:9} {time.monotonic() - began:5.1f} s  "
              f"{mutant.file}:{mutant.line}: {mutant.what}  {killer}", flush=True)
        if status == "survived":
            print(f"    {mutant.before}\n    {mutant.after.strip()}", flush=True)

    tough = []
    for number, mutant in together:
        began = time.monotonic()
        killer = quick_killer(mutant, crate, binary, number)
        if killer:
            note(mutant, began, "killed", killer)
        else:
            tough.append((number, mutant))
    print(f"{len(tough)} meet the tests that take long", flush=True)
    for number, mutant in tough:
        began = time.monotonic()
        killer = slow_killer(crate, binary, number)
        note(mutant, began, *(("killed", killer) if killer else ("survived", "")))
    make_crate(crate)
    for mutant in alone:
        note(mutant, time.monotonic(), *judge_alone(mutant, crate))
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
