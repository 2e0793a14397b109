// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"errors"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
)

func TestAccountWithoutName(t *testing.T) {
	passwd := []byte("root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\nbroken\n")
	setuid := &remedy.Error{Tried: "newuidmap: no", Cure: "check that it is setuid root"}
	if err := explainAccount(Account{UID: 1000}, passwd, setuid); !errors.Is(err, setuid) {
		t.Errorf("a named account: %v", err)
	}
	if err := explainAccount(Account{UID: 7777, Name: "of the environment"}, passwd, nil); err != nil {
		t.Errorf("without an error: %v", err)
	}
	err := explainAccount(Account{UID: 7777, Name: "of the environment"}, passwd, setuid)
	if err == nil || !strings.HasPrefix(err.Error(), "user id 7777 has no entry in /etc/passwd") || strings.Contains(err.Error(), "setuid") || !remedy.Is(err) {
		t.Errorf("an account without a name: %v", err)
	}
}
