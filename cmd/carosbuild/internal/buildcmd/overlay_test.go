// SPDX-License-Identifier: MPL-2.0

package buildcmd

import "testing"

// TestOverBuild: the command that a message proposes can be pasted.
func TestOverBuild(t *testing.T) {
	got, want := (&planOptions{declFiles: []string{"my decl.xml"}}).overBuild("yocto-efi.xml"), "carosbuild 'my decl.xml' yocto-efi.xml --out ..."
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
