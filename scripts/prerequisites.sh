#!/usr/bin/env bash
# Brings what cargo cannot: a C++ compiler and libclang, with which RocksDB is built, and, on request, Python
# (--python) or valgrind (--valgrind).
#
# Says what it installs before it does. Where it may not install, it ends with one line that says what to do.
set -euo pipefail

say() { printf 'causeway: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

wants_python=no wants_valgrind=no
for wanted in "$@"; do
    case "$wanted" in
        --python) wants_python=yes ;;
        --valgrind) wants_valgrind=yes ;;
        *) fail "prerequisites.sh knows --python and --valgrind, not $wanted" ;;
    esac
done

command -v cargo >/dev/null || fail "no Rust toolchain: install one from https://rustup.rs, then run make again"

has_compiler() { command -v "${CXX:-c++}" >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null; }

# bindgen loads libclang and needs clang's own headers (stddef.h) beside it.
has_libclang() {
    [[ -n "${LIBCLANG_PATH:-}" ]] && return 0
    local root
    if [[ "$(uname -s)" == Darwin ]]; then
        for root in "$(xcode-select -p 2>/dev/null || true)" /opt/homebrew/opt/llvm /usr/local/opt/llvm; do
            [[ -n "$root" ]] && compgen -G "$root"'/lib/libclang.dylib' >/dev/null && return 0
            [[ -n "$root" ]] && compgen -G "$root"'/Toolchains/*/usr/lib/libclang.dylib' >/dev/null && return 0
            [[ -n "$root" ]] && compgen -G "$root"'/usr/lib/libclang.dylib' >/dev/null && return 0
        done
        return 1
    fi
    local library=no headers=no pattern
    for pattern in '/usr/lib/llvm-*/lib/libclang*.so*' '/usr/lib/*/libclang*.so*' '/usr/lib/libclang*.so*' \
        '/usr/lib64/libclang*.so*' '/usr/local/lib/libclang*.so*'; do
        compgen -G "$pattern" >/dev/null && library=yes
    done
    for pattern in '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' '/usr/lib/clang/*/include/stddef.h' \
        '/usr/lib64/clang/*/include/stddef.h' '/usr/local/lib/clang/*/include/stddef.h'; do
        compgen -G "$pattern" >/dev/null && headers=yes
    done
    [[ "$library" == yes && "$headers" == yes ]]
}

has_python() { python3 -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; }

missing=()
has_compiler || missing+=(compiler)
has_libclang || missing+=(libclang)
if [[ "$wants_python" == yes ]]; then has_python || missing+=(python); fi
if [[ "$wants_valgrind" == yes ]]; then command -v valgrind >/dev/null || missing+=(valgrind); fi
((${#missing[@]})) || exit 0

install_on_macos() {
    local each
    for each in "${missing[@]}"; do
        case "$each" in
            compiler | python)
                fail "no $each: run 'xcode-select --install', then run make again" ;;
            libclang)
                command -v brew >/dev/null || fail "no libclang: run 'xcode-select --install', or install Homebrew, then run make again"
                say "installing llvm with Homebrew, because RocksDB's bindings are generated with libclang"
                brew install llvm ;;
            valgrind)
                fail "no valgrind, which counts instructions and runs on Linux: count them there" ;;
        esac
    done
}

install_on_debian() {
    local packages=() each as_root=()
    for each in "${missing[@]}"; do
        case "$each" in
            compiler) packages+=(g++) ;;
            libclang) packages+=(libclang-dev) ;;
            python) packages+=(python3 python3-venv) ;;
            valgrind) packages+=(valgrind) ;;
        esac
    done
    if [[ "$(id -u)" != 0 ]]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
            as_root=(sudo)
        else
            fail "missing ${missing[*]}, and no root to install them: have an administrator run 'apt-get install ${packages[*]}'"
        fi
    fi
    say "installing ${packages[*]} with apt-get, because RocksDB is compiled here, its bindings are generated with libclang, and" \
        "valgrind counts instructions"
    # Without an index apt-get knows no package; an index that is merely old will do.
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null 2>&1 && return 0
    ${as_root[@]+"${as_root[@]}"} apt-get update -qq >/dev/null &&
        ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null ||
        fail "apt-get could not install ${packages[*]}: install them by hand, then run make again"
}

if [[ "$(uname -s)" == Darwin ]]; then
    install_on_macos
elif command -v apt-get >/dev/null; then
    install_on_debian
else
    fail "missing ${missing[*]}: install them (libclang with its headers, Python 3.9 with venv), then run make again"
fi

has_compiler || fail "still no C++ compiler: set CXX to one, then run make again"
has_libclang || fail "still no libclang: set LIBCLANG_PATH to the folder that holds it, then run make again"
if [[ "$wants_valgrind" == yes ]]; then command -v valgrind >/dev/null || fail "still no valgrind: install it, then run make again"; fi
if [[ "$wants_python" == yes ]]; then has_python || fail "still no Python 3.9 with venv: install it, then run make again"; fi
