// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// readPasswd reads the host's list of accounts; a missing file counts as empty.
func readPasswd() []byte {
	data, _ := os.ReadFile("/etc/passwd")
	return data
}

// explainAccount finds out whether an account got no subordinate ids because it has no name:
// newuidmap and usermod identify accounts by name. Many containers run under a user id without
// a name. An account of a directory service is not in /etc/passwd, either, but gets its ids.
func explainAccount(a Account, passwd []byte, err error) error {
	if err == nil || a.Root() || hasAccount(passwd, a.UID) {
		return err
	}
	return &remedy.Error{
		Tried: fmt.Sprintf("user id %d has no entry in /etc/passwd, and newuidmap gives subordinate ids only to named accounts", a.UID),
		Cure: fmt.Sprintf("as an administrator: useradd --uid %d --create-home carosbuild && usermod --add-subuids 100000-165535 --add-subgids 100000-165535 carosbuild",
			a.UID),
	}
}

// hasAccount reports whether /etc/passwd, passwd(5), has a user id.
func hasAccount(passwd []byte, uid int) bool {
	for line := range strings.Lines(string(passwd)) {
		if fields := strings.Split(line, ":"); len(fields) > 2 && fields[2] == strconv.Itoa(uid) {
			return true
		}
	}
	return false
}
