# Shell functions that put a virtual environment in order; sourced by ./dev and ./test.

# Tests start hundreds of processes; where an image forbids bytecode, each would compile every library anew, for seconds.
unset PYTHONDONTWRITEBYTECODE

# setup LOCK FOLDER: installs what LOCK lists into FOLDER, unless just that has been done before.
setup() {
    lock=$1 folder=$2
    wanted=$(cat "$lock" pyproject.toml | cksum)
    [ -f "$folder/.installed-$lock" ] && [ "$(cat "$folder/.installed-$lock")" = "$wanted" ] && return
    echo "Installing what $lock lists into $folder …" >&2
    if command -v uv >/dev/null 2>&1; then
        [ -x "$folder/bin/python" ] || uv venv -q --python '>=3.11' "$folder"
        uv pip install -q --compile-bytecode --python "$folder" --require-hashes -r "$lock"
    else
        python=$(find_python)
        if [ ! -x "$folder/bin/pip" ]; then
            "$python" -m venv "$folder" || {
                rm -rf "$folder"
                echo "A virtual environment could not be made. On Debian: apt-get install python3-venv" >&2
                exit 1
            }
        fi
        "$folder/bin/pip" install -q --disable-pip-version-check --require-hashes -r "$lock"
    fi
    printf %s "$wanted" >"$folder/.installed-$lock"
}

# needs PACKAGE …: installs Debian's packages whose commands, of the same names, are missing; who is not root is told what to do.
needs() {
    for package in "$@"; do
        command -v "$package" >/dev/null 2>&1 && continue
        if [ "$(id -u)" -ne 0 ]; then
            echo "$package is missing. On Debian, as root: apt-get install $*" >&2
            exit 1
        fi
        echo "Installing $package …" >&2
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    done
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or newer is missing. On Debian 12 or newer: apt-get install python3 python3-venv" >&2
    exit 1
}
