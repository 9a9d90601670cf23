#!/bin/sh
# usage: secret_service.sh CMD...
# Runs a command with a private D-Bus session and an unlocked, empty gnome-keyring, in a throw-away home.
# Needs: dbus-run-session, gnome-keyring-daemon. The exit status is the command's.
set -eu
[ $# -gt 0 ] || { echo "usage: $0 CMD..." >&2; exit 2; }
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
trap 'exit 130' INT TERM
export HOME="$top/home" XDG_DATA_HOME="$top/data" XDG_CONFIG_HOME="$top/config"
export XDG_CACHE_HOME="$top/cache" XDG_STATE_HOME="$top/state" XDG_RUNTIME_DIR="$top/run"
unset DISPLAY WAYLAND_DISPLAY PYTHON_KEYRING_BACKEND DBUS_SESSION_BUS_ADDRESS GNOME_KEYRING_CONTROL
mkdir -p "$HOME" "$XDG_DATA_HOME" "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME" "$XDG_STATE_HOME"
mkdir -m 700 "$XDG_RUNTIME_DIR"
# the password comes on standard input: an empty one
dbus-run-session -- sh -c '
  eval "$(printf "\n" | gnome-keyring-daemon --unlock --components=secrets 2>/dev/null)"
  export GNOME_KEYRING_CONTROL
  "$@"' sh "$@"
