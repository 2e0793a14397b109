// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"strings"
	"testing"
)

func TestCheckTarget(t *testing.T) {
	for _, good := range []string{"r.example.org/a", "localhost:5000/a/b:c", "docker://r.example.org/a:B_1", "oci:dir", "oci:dir:tag", "127.0.0.1:5000/a:b"} {
		if err := CheckTarget(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	digest := "@sha256:" + strings.Repeat("0", 64)
	for _, bad := range []string{
		"", "a", "a/b:c", "r.example.org/A/b", "r.example.org/a:b/c d", "r.example.org/a:" + strings.Repeat("t", 129), "https://r.example.org/a",
		"docker-archive:f", "containers-storage:x", "scratch", "localhost/a:b", "r.example.org/a" + digest, "oci:dir" + digest, "oci:", "r.example.org/a:-b",
	} {
		if err := CheckTarget(bad); err == nil {
			t.Errorf("%s is let through", bad)
		}
	}
}
