// SPDX-License-Identifier: MPL-2.0

package debtest

import "archive/tar"

// Base is a small distribution: an Essential package and apt, with their
// dependencies.
func Base() []Deb {
	return []Deb{
		{Name: "base-files", Version: "12", Fields: "Essential: yes\nPriority: required\nPre-Depends: awk\n", Files: []tar.Header{
			Dir("./", 0o755), Dir("./etc/", 0o755), Dir("./tmp/", 0o1777), Dir("./var/", 0o755),
			Dir("./usr/", 0o755), Dir("./usr/bin/", 0o755),
			Link('2', "./var/run", "/run"), File("./etc/issue", 0o644, "Debian\n"),
		}, Control: map[string]string{"conffiles": "/etc/issue\n", "md5sums": "x  y\n"}},
		{Name: "mawk", Version: "1.3", Fields: "Priority: required\nProvides: awk\nMulti-Arch: foreign\n", Pack: ".zst", Files: []tar.Header{
			Dir("./", 0o700), Dir("./bin/", 0o700), File("./bin/mawk", 0o755, "#!mawk"),
			Link('1', "./bin/mawk2", "./bin/mawk"),
		}},
		{
			Name: "libc6", Version: "2.36-9", Fields: "Priority: optional\nMulti-Arch: same\n", Pack: ".gz",
			Control: map[string]string{"triggers": "interest-noawait /usr/share/x\ninterest ldconfig\nactivate foo\n", "postinst": "#!/bin/sh\n"},
			Files:   []tar.Header{Dir("./", 0o711), Dir("./lib/", 0o755), File("./lib/libc.so.6", 0o4755, "libc")},
		},
		{Name: "apt", Version: "2.6", Fields: "Priority: important\nDepends: libc6 (>= 2.30)\n"},
	}
}
