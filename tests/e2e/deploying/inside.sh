# What is done inside: each line that it writes is a fact, checked outside. systemd runs it.

ask() {
    curl --silent --insecure --max-time 20 --output /dev/null --write-out '%{http_code}' "https://localhost/$1"
}

status() {
    systemctl show --property StatusText --value sidegate.service
}

# Waits for ten seconds until the status says so.
becomes() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        case "$(status)" in "$1"*) echo "status $1"; return ;; esac
        sleep 0.5
    done
    echo "status is still $(status)"
}

echo "nobody asked $(systemctl is-active sidegate.service)"
systemctl start sidegate.socket
# The first connection starts the service.
echo "first $(ask public)"
echo "then $(systemctl is-active sidegate.service)"
becomes serving
echo "protected $(ask private)"

id=$(systemctl show --property MainPID --value sidegate.service)
grep -E '^(CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$id/status" | tr -s '\t' ' '
user=$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$id/status")
if [ "$user" -ge 61184 ] && [ "$user" -le 65519 ]; then echo "user dynamic"; else echo "user $user"; fi
echo "state $(stat --format '%a %n' /var/lib/private/sidegate/*)"

sed -i 's/^upstream:/upstraem:/' /etc/sidegate/config.yaml
becomes "serving by an old configuration"
echo "meanwhile $(ask public)"
sed -i 's/^upstraem:/upstream:/' /etc/sidegate/config.yaml
systemctl reload sidegate.service && echo "reloaded"
becomes serving

# Requests, each on a connection of its own, while the service starts anew twice.
(
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do ask public; echo; done
) >/run/answers &
systemctl restart sidegate.service && echo "restarted"
systemctl restart sidegate.service && echo "restarted"
wait
echo "over restarts $(sort /run/answers | uniq -c | tr -s ' \n' ' ')"

systemctl stop sidegate.service && echo "stopped $(systemctl is-active sidegate.service)"
echo "again $(ask public)"
{ systemctl status --no-pager --lines 0 --full sidegate.service sidegate.socket; journalctl --no-pager --unit sidegate.service; } >/share/log
echo end
systemctl --force --force poweroff
