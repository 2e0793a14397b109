// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"testing"
	"time"
)

func TestDefaultBuildID(t *testing.T) {
	at := time.Date(2015, 2, 19, 20, 56, 42, 0, time.Local)
	for user, want := range map[string]string{
		"thintze": "2015-02-19-205642-thintze", "Ann Other": "2015-02-19-205642-annother", "_apt": "2015-02-19-205642", "": "2015-02-19-205642", "x-": "2015-02-19-205642",
	} {
		if got := DefaultBuildID(at, user); got != want {
			t.Errorf("the build id of user %q is %s, want %s", user, got, want)
		}
	}
}
