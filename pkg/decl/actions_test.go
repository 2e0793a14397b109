// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"strings"
	"testing"
)

// Each action's Kind is the word that it is written with.
func TestActionKinds(t *testing.T) {
	arguments := map[ActionKind]string{
		RunKind: " x", AddKind: " x /y", CopyKind: " x /y", EnvKind: " A=b", WorkdirKind: " /x", UserKind: " x",
		ReposyncKind: "", CreateBBLayersKind: "", CreateLocalConfKind: "",
	}
	const base = `<redo><layer_declaration><remote name="r" baseurl="git://h/"/><baselayer remote="r" repo="poky" revision="v1"/></layer_declaration>` +
		`<buildstage id="s"><action>FROM scratch</action><bitbake_target>x</bitbake_target><action>`
	for word, argument := range arguments {
		d := parse(t, base+string(word)+argument+`</action></buildstage></redo>`)
		for i, want := range []ActionKind{FromKind, BitbakeKind, word} {
			if got := d.Stages[0].Actions[i].Kind(); got != want {
				t.Errorf("action %d of %s: got %s, want %s", i, word, got, want)
			}
		}
		if got := d.Stages[0].Actions[2].Written().Text; got != strings.TrimSpace(argument) {
			t.Errorf("%s: its text is %q, want %q", word, got, strings.TrimSpace(argument))
		}
	}
	if got, want := len(arguments)+1, len(actionWords); got != want {
		t.Errorf("%d words were tried, and there are %d", got, want)
	}
}
