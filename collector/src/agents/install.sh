#!/bin/sh
# Installs the Rollcall agent on this machine and enrolls it. Usage:
#   sh -s -- TOKEN     or: sh install.sh - < FILE_WITH_TOKEN; run again, it upgrades the agent and leaves who it is
#   sh -s -- --remove  takes the agent away, and what it knows; settings in /etc/rollcall stay
# The agent is taken from the collector that this script came from, and from nobody else: its key is pinned.
set -eu

collectors='@COLLECTORS@'
pin='sha256//@PIN@'

fail() {
    echo "rollcall: $*" >&2
    exit 1
}

target() {
    cat <<'UNIT'
@TARGET@
UNIT
}

reader() {
    cat <<'UNIT'
@READER@
UNIT
}

sender() {
    cat <<'UNIT'
@SENDER@
UNIT
}

users() {
    cat <<'USERS'
@USERS@
USERS
}

# Everything is inside a function, so that a download that was cut short does nothing.
main() {
    if [ "${1:-}" = --remove ]; then
        remove
        return
    fi
    token=${1:-}
    if [ "$token" = - ]; then
        IFS= read -r token || [ -n "$token" ] || fail 'no token on standard input'
    fi
    [ -n "$token" ] || fail 'no enrollment token; give it as the argument, or - and the token on standard input'
    [ "$(uname -s)" = Linux ] || fail "this script installs on Linux, not on $(uname -s)"
    command -v curl >/dev/null || fail 'curl is missing; install it with the package manager'
    architecture=$(uname -m)

    if [ "$(id -u)" = 0 ]; then
        programs=/usr/local/bin
    else
        programs=$HOME/.local/bin
    fi
    mkdir -p "$programs"
    # Where it is to be: /tmp may forbid programs, and its files carry a label that SELinux starts no service from.
    work=$(mktemp -d "$programs/.rollcall-agent.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    # A signal is an exit too: dash runs the trap at nothing else.
    trap 'exit 1' HUP INT TERM
    collector=
    for candidate in $collectors; do
        if curl --fail --silent --show-error --location --proto =https --connect-timeout 10 --insecure --pinnedpubkey "$pin" \
            --output "$work/rollcall-agent" "$candidate/install/rollcall-agent-$architecture"; then
            collector=$candidate
            break
        fi
    done
    [ -n "$collector" ] || fail "no agent for $architecture could be had from: $collectors"
    chmod 0755 "$work/rollcall-agent"
    "$work/rollcall-agent" --version >/dev/null || fail "the agent from $collector does not run on this machine"

    if [ "$(id -u)" = 0 ]; then
        install_for_all
    else
        install_for_user
    fi
}

# The first is how an earlier agent ran: as one service.
units='rollcall-agent.service rollcall-agent.target rollcall-agent-reader.service rollcall-agent-sender.service'

install_for_all() {
    if [ -d /run/systemd/system ]; then
        stop_running
    fi
    mv -f "$work/rollcall-agent" /usr/local/bin/rollcall-agent
    enroll /usr/local/bin/rollcall-agent
    if [ -d /run/systemd/system ]; then
        make_users
        earlier=/etc/systemd/system/rollcall-agent.service
        if [ -e "$earlier" ]; then
            systemctl disable rollcall-agent.service || echo 'rollcall: the earlier service could not be disabled' >&2
            rm -f "$earlier"
        fi
        target >/etc/systemd/system/rollcall-agent.target
        reader >/etc/systemd/system/rollcall-agent-reader.service
        sender >/etc/systemd/system/rollcall-agent-sender.service
        systemctl daemon-reload
        systemctl enable rollcall-agent.target
        running=
        systemctl restart rollcall-agent.target rollcall-agent-reader.service rollcall-agent-sender.service
        echo 'rollcall: the agent runs as two services; see: systemctl status "rollcall-agent*"'
    else
        echo 'rollcall: systemd does not run here; start the agent with: rollcall-agent run'
    fi
}

# Enrolling needs the state for itself. If it fails, what ran runs on.
stop_running() {
    running=
    for unit in $units; do
        case $(systemctl is-active "$unit") in
        active | activating | deactivating | reloading) running="$running $unit" ;;
        esac
    done
    if [ -n "$running" ]; then
        # The names are meant to be many words.
        # shellcheck disable=SC2086
        trap 'rm -rf "$work"; [ -z "$running" ] || systemctl start $running' EXIT
        # shellcheck disable=SC2086
        systemctl stop $running
    fi
}

# Takes away what this script made. The collector goes on listing the machine; retire it there.
remove() {
    if [ "$(id -u)" != 0 ]; then
        rm -rf "$HOME/.local/bin/rollcall-agent" "${XDG_DATA_HOME:-$HOME/.local/share}/rollcall-agent"
        echo 'rollcall: the agent of this user is gone; what still runs ends with: pkill -x rollcall-agent'
        return
    fi
    if [ -d /run/systemd/system ]; then
        for unit in $units; do
            if systemctl cat "$unit" >/dev/null 2>&1; then
                systemctl disable --now "$unit"
            fi
            rm -f "/etc/systemd/system/$unit"
        done
        systemctl daemon-reload
    fi
    rm -rf /usr/local/bin/rollcall-agent /var/lib/rollcall-agent /var/lib/rollcall-spool /etc/rollcall/token
    rm -f /etc/sysusers.d/rollcall-agent.conf
    for user in rollcall-reader rollcall-sender; do
        if getent passwd "$user" >/dev/null; then
            userdel "$user" || echo "rollcall: the user $user could not be removed" >&2
        fi
    done
    if getent group rollcall-agent >/dev/null; then
        groupdel rollcall-agent || echo 'rollcall: the group rollcall-agent could not be removed' >&2
    fi
    echo 'rollcall: the agent is gone from this machine'
}

# Two users of the system: neither half of the agent can touch what is the other's.
make_users() {
    mkdir -p /etc/sysusers.d
    users >/etc/sysusers.d/rollcall-agent.conf
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers /etc/sysusers.d/rollcall-agent.conf
    else
        getent group rollcall-agent >/dev/null || groupadd --system rollcall-agent
        for user in rollcall-reader rollcall-sender; do
            getent passwd "$user" >/dev/null ||
                useradd --system --no-create-home --home-dir / --shell /usr/sbin/nologin --groups rollcall-agent "$user"
        done
    fi
}

install_for_user() {
    directory=${XDG_DATA_HOME:-$HOME/.local/share}/rollcall-agent
    mv -f "$work/rollcall-agent" "$HOME/.local/bin/rollcall-agent"
    export ROLLCALL_STATE_DIR="$directory"
    enroll "$HOME/.local/bin/rollcall-agent"
    echo "rollcall: installed for this user only; as root it would see all processes and hardware"
    echo "rollcall: start the agent with: $HOME/.local/bin/rollcall-agent --state-dir $directory run"
}

# 3: a person has to approve first; the agent asks again by itself, and nobody has to sit here until then.
enroll() {
    code=0
    export ROLLCALL_ENROLL_WAIT="${ROLLCALL_ENROLL_WAIT:-30s}"
    # What comes next is done or told below.
    export ROLLCALL_INSTALLING=true
    printf '%s\n' "$token" | "$1" enroll --token-file - || code=$?
    case $code in
    0 | 3) ;;
    *) exit "$code" ;;
    esac
}

main "$@"
