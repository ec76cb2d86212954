# Debian's packages, unpacked rather than installed: that needs no root, starts no service on port
# 9090, and leaves the machine's own package state alone. Sourced by parts and versions, which have
# `set -eu`.

# Make a package state of its own in $state, gone at exit. A list of sources, or else the machine's.
apt_begin() {
    state=$(mktemp -d)
    trap 'rm -rf "$state"' EXIT
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    apt_options="-o Dir::State::lists=$state/lists -o Dir::Cache=$state/cache -o Debug::NoLocking=1
        -o APT::Sandbox::User=$(id -un)"
    [ -z "${1:-}" ] || {
        echo "$1" >"$state/sources.list"
        apt_options="$apt_options -o Dir::Etc::SourceList=$state/sources.list -o Dir::Etc::SourceParts=/dev/null"
    }
    # A source that fails to update may not be the one that is needed: the download decides.
    apt-get -qq $apt_options update >"$state/log" 2>&1 || true
}

# Print the versions of a package that are offered, newest first.
apt_offered() { apt-cache $apt_options madison "$1" 2>>"$state/log" | cut -d '|' -f 2 | tr -d ' '; }

# Unpack packages (NAME or NAME=VERSION) into the folder that comes first.
apt_unpack() {
    tree=$1 debs=$(mktemp -d "$state/debs.XXXXXX")
    shift
    (cd "$debs" && apt-get -qq $apt_options download "$@") >>"$state/log" 2>&1 || return 1
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$tree"; done
}

# Print what apt complained of.
apt_reasons() { grep -E '^(E:|W: Failed)' "$state/log" | head -n 5 | sed 's/^/    /'; }
