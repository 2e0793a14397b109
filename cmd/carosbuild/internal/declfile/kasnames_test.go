// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"strings"
	"testing"
)

// TestSeveralProjects: the command that a message suggests can be copied.
func TestSeveralProjects(t *testing.T) {
	const want = "write 'a b.yml:c.yml'"
	if err := checkNames([]string{"a b.yml", "c.yml"}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
