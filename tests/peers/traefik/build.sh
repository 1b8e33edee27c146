#!/usr/bin/env bash
# Builds Traefik from its Go module: build.sh VERSION FILE.
#
# The module cannot be installed as it stands: it replaces a module inside itself, which is in no archive, and two others are not to
# be had from every Go module proxy. So it is copied, and what is in `over` put over the copy: it has no ACME client and checks no
# passwords. What tests need (entry points, routers, ForwardAuth, the proxy) is as it was.
set -euo pipefail
cd "$(dirname "$0")"
version=$1 file=$2
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

module=$(go mod download -json "github.com/traefik/traefik/v3@$version" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
cp -r "$module/." "$copy"
chmod -R u+w "$copy"
rm -r "$copy/pkg/provider/acme"
cp -r over/. "$copy"
cd "$copy"
go mod edit -replace github.com/go-acme/lego/v5=./lego -replace github.com/abbot/go-http-auth=./passwords
CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags='-s -w' -o "$file" ./cmd/traefik
