// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"os"
	"strings"
)

// userSysctl is the kernel's setting that forbids user namespaces, as it should be.
func userSysctl(read func(string) string) string {
	for _, s := range []struct{ name, bad, good string }{
		{"kernel.unprivileged_userns_clone", "0", "1"},
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
		{"user.max_user_namespaces", "0", "10000"},
	} {
		if read(s.name) == s.bad {
			return s.name + "=" + s.good
		}
	}
	return "user.max_user_namespaces=10000"
}

func readSysctl(name string) string {
	data, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
