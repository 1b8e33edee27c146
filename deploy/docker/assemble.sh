#!/bin/sh
# Makes the root directory of the image: PROGRAM, the libraries that it is linked to, the authorities that it trusts, and the
# user that it runs as.
#
#   assemble.sh PROGRAM DIRECTORY
set -eu

program=$1
root=$2

mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/etc/sidegate"
cp "$program" "$root/usr/local/bin/sidegate"
chmod 0755 "$root/usr/local/bin/sidegate"

# Lines of ldd are `name => path (address)`, or `path (address)` for the loader. A program that needs none has none.
ldd "$program" | awk '$2 == "=>" && $3 ~ "^/" { print $3 } $1 ~ "^/" { print $1 }' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'sidegate:x:65532:65532::/:/nonexistent' >"$root/etc/passwd"
echo 'sidegate:x:65532:' >"$root/etc/group"
# Names are looked up in /etc/hosts, then by DNS.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
