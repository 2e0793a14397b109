// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"fmt"
	"strings"
)

// scriptHead sets up what both scripts share: a clean environment without
// questions, no service started (policy-rc.d, and a start-stop-daemon that does
// nothing, as in mmdebstrap and debootstrap), and the clean-up.
const scriptHead = `#!/bin/sh
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes
unset APT_CONFIG TMPDIR LANG LANGUAGE
umask 022
cd /
policy=/usr/sbin/policy-rc.d
ssd=/sbin/start-stop-daemon
restore() {
	rm -f "$policy"
	if [ -e "$policy.carosbuild" ]; then mv "$policy.carosbuild" "$policy"; fi
	if [ -e "$ssd.REAL" ]; then mv -f "$ssd.REAL" "$ssd"; fi
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e "$policy" ]; then mv "$policy" "$policy.carosbuild"; fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 0755 "$policy"
if [ -e "$ssd" ]; then
	mv "$ssd" "$ssd.REAL"
	printf '#!/bin/sh\necho "start-stop-daemon does nothing while an image is built" >&2\n' >"$ssd"
	chmod 0755 "$ssd"
fi
`

// scriptTail removes files that differ from run to run or that belong to one
// machine only.
const scriptTail = `
rm -f /var/log/dpkg.log /var/log/alternatives.log /var/log/apt/*.log /var/log/apt/*.log.xz
rm -f /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin /var/lib/dbus/machine-id
if [ -e /etc/machine-id ]; then rm -f /etc/machine-id; : >/etc/machine-id; fi
for f in /run/* /run/.[!.]* /tmp/* /tmp/.[!.]*; do
	case $f in /run/lock|/run/carosbuild) continue ;; esac
	if [ -e "$f" ] || [ -L "$f" ]; then rm -rf --one-file-system "$f" 2>/dev/null || :; fi
done
`

// aptDirs gives apt's download directories to the user that downloads, as the first
// update would.
const aptDirs = `if grep -q '^_apt:' /etc/passwd; then
	for d in /var/cache/apt/archives/partial /var/lib/apt/lists/partial; do
		chown _apt:root "$d"
		chmod 0700 "$d"
	done
fi
`

// BasePackages is the number of packages that ConfigureScript configures.
func (r *Resolution) BasePackages() int { return len(r.base()) }

// ConfigureScript is a POSIX shell script that configures the packages that Unpack
// has written. It runs as root with the root file system as its own, /proc, /dev
// and /tmp mounted, and no network. The preinst scripts run first, since dpkg would
// have called them before unpacking; base-passwd's, which makes /etc/passwd, is the
// very first. Then dpkg configures the Essential packages, which all others may
// rely on, and then the rest.
func (r *Resolution) ConfigureScript() string {
	var essential, order []string
	dpkg := ""
	for _, p := range r.base() {
		if p.Role == Essential {
			essential = append(essential, p.Name)
		}
		if p.Name == "dpkg" {
			dpkg, _, _ = strings.Cut(p.Version, "-")
		}
		word := p.Name + " " + p.Arch
		if p.Name == "base-passwd" {
			order = append([]string{word}, order...)
		} else {
			order = append(order, word)
		}
	}
	var b strings.Builder
	b.WriteString(scriptHead)
	fmt.Fprintf(&b, `preinst() {
	for script in "/var/lib/dpkg/info/$1.preinst" "/var/lib/dpkg/info/$1:%s.preinst"; do
		if [ -e "$script" ]; then
			echo "preinst of $1"
			DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_ARCH=$2 \
			DPKG_MAINTSCRIPT_NAME=preinst DPKG_RUNNING_VERSION=%s DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= \
			DEBCONF_PACKAGE=$1 \
				"$script" install </dev/null
		fi
	done
}
`, r.Arch, dpkg)
	for _, word := range order {
		b.WriteString("preinst " + word + "\n")
	}
	fmt.Fprintf(&b, "dpkg --force-unsafe-io --configure %s </dev/null\n", strings.Join(essential, " "))
	b.WriteString("dpkg --force-unsafe-io --configure --pending </dev/null\n")
	b.WriteString(aptDirs)
	b.WriteString(scriptTail)
	return b.String()
}
