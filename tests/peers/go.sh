#!/usr/bin/env bash
# Front proxies that tests start, built from their Go modules by the Go client: Traefik and Caddy, into .cache/peers/bin, which
# git ignores. What is there already, in the version named here, is not built again.
#
#   tests/peers/go.sh [caddy] [traefik]     default: both
set -euo pipefail
cd "$(dirname "$0")/../.."

CADDY_VERSION=v2.11.9
TRAEFIK_VERSION=v3.7.13
peers="$PWD/.cache/peers"

# Whether PEER is there in VERSION.
present() {
    [ -x "$peers/bin/$1" ] && [ "$(cat "$peers/$1.version" 2>/dev/null)" = "$2" ]
}

caddy() {
    GOBIN="$peers/bin" go install "github.com/caddyserver/caddy/v2/cmd/caddy@$CADDY_VERSION"
}

# Traefik's module cannot be installed as it stands: it replaces a module inside itself, which is in no archive, and two others are
# not to be had from every Go module proxy. So it is copied, and tests/peers/traefik put over the copy: it has no ACME client and
# checks no passwords. What tests need (entry points, routers, ForwardAuth, the proxy) is as it was.
traefik() {
    local module copy="$peers/traefik"
    module=$(go mod download -json "github.com/traefik/traefik/v3@$TRAEFIK_VERSION" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
    rm -rf "$copy"
    cp -r "$module" "$copy"
    chmod -R u+w "$copy"
    rm -r "$copy/pkg/provider/acme"
    cp -r tests/peers/traefik/. "$copy"
    (
        cd "$copy"
        go mod edit -replace github.com/go-acme/lego/v5=./lego -replace github.com/abbot/go-http-auth=./passwords
        CGO_ENABLED=0 go build -mod=mod -ldflags "-s -w" -o "$peers/bin/traefik" ./cmd/traefik
    )
    rm -rf "$copy"
}

mkdir -p "$peers/bin"
if [ $# -eq 0 ]; then set -- caddy traefik; fi
for peer in "$@"; do
    case $peer in
        caddy) version=$CADDY_VERSION ;;
        traefik) version=$TRAEFIK_VERSION ;;
        *) echo "$peer is none of caddy, traefik" >&2; exit 2 ;;
    esac
    if present "$peer" "$version"; then echo "$peer $version is there"; continue; fi
    echo "building $peer $version"
    "$peer"
    printf '%s\n' "$version" >"$peers/$peer.version"
done
