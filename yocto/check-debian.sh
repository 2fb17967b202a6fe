#!/bin/bash
# The README's two commands on a fresh Debian 12: nothing but python3, python3-venv and git, in a chroot, from a clone of
# what is committed here.
#   yocto/check-debian.sh ROOT [USER [COMMAND...]]      as root; needs mmdebstrap or debootstrap, and network
# ROOT is made where it is missing (SUITE: bookworm) and kept. USER is `tinker`, who is made, or root. COMMAND is run in
# the clone instead of the two, as in: yocto/check-debian.sh ROOT root .venv/bin/python -m pytest tests/packaging
# How packages are reached is taken from this machine: resolv.conf, and PIP_* and *_proxy of the environment.
set -euo pipefail
if [ $# -lt 1 ] || [ "${1#-}" != "$1" ]; then
    sed -n '2,7s/^# //p' "$0"
    exit 2
fi
if [ "$(id -u)" != 0 ]; then
    echo "${0##*/}: a chroot needs root" >&2
    exit 1
fi
source=$(cd "$(dirname "$0")/.." && pwd)
root=$1
user=${2:-tinker}
shift $(($# > 1 ? 2 : 1))
suite=${SUITE:-bookworm}
packages=python3,python3-venv,git

if [ ! -e "$root" ]; then
    if command -v mmdebstrap >/dev/null; then
        mmdebstrap --quiet --variant=minbase --include=$packages "$suite" "$root"
    else
        debootstrap --variant=minbase --include=$packages "$suite" "$root"
    fi
fi
if [ ! -x "$root/usr/bin/git" ] || [ ! -x "$root/usr/bin/python3" ]; then
    echo "${0##*/}: $root is no Debian with python3 and git" >&2
    exit 1
fi

# What must be as anywhere else; gone with this process.
if [ -z "${CHECK_DEBIAN_MOUNTED:-}" ]; then
    CHECK_DEBIAN_MOUNTED=yes exec unshare --mount --propagation private "$0" "$root" "$user" "$@"
fi
for place in proc sys dev; do mount --rbind "/$place" "$root/$place"; done
cp /etc/resolv.conf "$root/etc/resolv.conf"
environment=(PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1)
while IFS= read -r line; do environment+=("$line"); done < <(env | grep -iE '^(PIP_[A-Z_]*|[a-z]*_proxy)=')
# Files that pip is told of have to be there, too.
for place in ${PIP_CERT:-} ${PIP_FIND_LINKS:-}; do
    if [ -f "$place" ]; then install -D -m 0644 "$place" "$root$place"; fi
    if [ -d "$place" ]; then mkdir -p "$root$place" && mount --bind "$place" "$root$place"; fi
done

home=/root
if [ "$user" != root ]; then
    home=/home/$user
    chroot "$root" getent passwd "$user" >/dev/null || chroot "$root" useradd --create-home "$user"
fi
environment+=(HOME="$home" USER="$user")
inside() {
    chroot --userspec="$user:$user" "$root" env -i "${environment[@]}" sh -c "cd $home/evse && $1"
}

# The clone: what is committed, and for a COMMAND what lies there already.
if [ $# = 0 ] || [ ! -e "$root$home/evse" ]; then
    rm -rf "$root$home/evse"
    git -C "$source" bundle create -q "$root/tmp/evse.bundle" HEAD
    chmod 0644 "$root/tmp/evse.bundle"
    chroot --userspec="$user:$user" "$root" env -i "${environment[@]}" \
        git -c advice.detachedHead=false clone -q /tmp/evse.bundle "$home/evse"
    rm "$root/tmp/evse.bundle"
fi
if [ $# != 0 ]; then
    inside "$*"
    exit
fi
started=$SECONDS
inside 'python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/evse demo'
echo "== evse demo: passed as $user, $((SECONDS - started)) s"
started=$SECONDS
inside ".venv/bin/pip install '.[test]' && .venv/bin/python -m pytest -rs"
echo "== the suite: passed as $user, $((SECONDS - started)) s"
