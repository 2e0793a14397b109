// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stageOf is the first stage of a declaration with these actions.
func stageOf(t *testing.T, actions ...string) (*Stage, Source) {
	t.Helper()
	text := `<redo><buildstage id="s"><action>FROM scratch</action>`
	for _, a := range actions {
		text += "\n<action>" + a + "</action>"
	}
	src := Source{Name: "a.xml", Data: []byte(text + "\n</buildstage></redo>")}
	d, fs := Parse(src)
	if len(fs) > 0 {
		t.Fatal(render(t, []Source{src}, fs))
	}
	return d.Stages[0], src
}

func values(name string) (string, bool) {
	v, ok := map[string]string{"APP": "/srv/app", "U": "www-data", "EMPTY": "", "M": "0640", "UP": "/../..", "BAD": "a b"}[name]
	return v, ok
}

// Variables in paths and users are filled in as in a Dockerfile.
func TestExpanded(t *testing.T) {
	for _, tt := range []struct {
		action string
		want   string // destination, or the finding
	}{
		{"WORKDIR $APP", "/srv/app"},
		{"WORKDIR ${APP}/x", "/srv/app/x"},
		{"WORKDIR $APP-x", "/srv/app-x"},
		{"WORKDIR /x/${NONE:-d}", "/x/d"},
		{"WORKDIR /x${EMPTY:-/d}", "/x/d"},
		{"WORKDIR /x${EMPTY-/d}", "/x"},
		{"WORKDIR /x/${NONE:-${APP:+a}}/y", "/x/a/y"},
		{"WORKDIR /x/${NONE:+$OTHER}y", "/x/y"},
		{"WORKDIR /x/${EMPTY:+y}", "/x/"},
		{"WORKDIR /x/${EMPTY+y}", "/x/y"},
		{`WORKDIR /x/\$APP`, "/x/$APP"},
		{`WORKDIR /x\y/$/z$`, `/x\y/$/z$`},
		{"USER $U", "www-data"},
		{"ADD data ${APP}/x", "/srv/app/x"},
		{"COPY a b $APP/", "/srv/app/"},
		{`ADD ["a b", "$APP/a b"]`, "/srv/app/a b"},
		{"WORKDIR /x/$NONE", "a.xml:2:20: error: the variable \"NONE\" is not set here\n    2 |<action>WORKDIR /x/$NONE</action>\n      |                   ^^^^^ set it by ENV before, give a default by ${NONE:-...}, or write \\$ for a dollar sign\n"},
		{"WORKDIR $EMPTY", "a.xml:2:17: error: with its variables filled in, a name is empty\n    2 |<action>WORKDIR $EMPTY</action>\n      |                ^^^^^^\n"},
		{"USER $BAD", "a.xml:2:14: error: with its variables filled in, \"a b\" is not a user\n    2 |<action>USER $BAD</action>\n      |             ^^^^\n"},
		{"ADD x $UP", "a.xml:2:13: error: with its variables filled in, path \"/../..\" climbs out of the root with ..\n    2 |<action>ADD x $UP</action>\n      |            ^^^^^\n"},
		{"ADD $UP/x /y", "a.xml:2:13: error: with its variables filled in, source \"/../../x\" climbs out with ..\n    2 |<action>ADD $UP/x /y</action>\n      |            ^^^^^^^^\n"},
		{"ADD --chown=$APP x /y", "a.xml:2:13: error: with its variables filled in, \"/srv/app\" is not an owner\n    2 |<action>ADD --chown=$APP x /y</action>\n      |            ^^^^^^^^^^^^^^^^^\n"},
	} {
		s, src := stageOf(t, tt.action)
		a, fs := Expanded(s.Actions[1], values)
		got := destination(a)
		if len(fs) > 0 {
			got = render(t, []Source{src}, fs)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.action, d)
		}
	}
	s, _ := stageOf(t, "COPY --chown=$U:$U --chmod=$M --optional $APP/x ${U}.conf /y/")
	expanded, fs := Expanded(s.Actions[1], values)
	a := expanded.(*Copy)
	if len(fs) > 0 || a.Chown != "www-data:www-data" || a.Chmod != "0640" || !cmp.Equal(a.Sources, []string{"/srv/app/x", "www-data.conf"}) {
		t.Errorf("COPY: %+v, %v", a, fs)
	}
	if s.Actions[1].(*Copy).Chown != "$U:$U" {
		t.Error("the action itself was changed")
	}
}

// destination is the path or user of an action.
func destination(a Action) string {
	switch do := a.(type) {
	case *Copy:
		return do.Dest
	case *Workdir:
		return do.Dir
	case *User:
		return do.Name
	}
	return ""
}

// ENV takes the same forms, and a variable that is not set is empty.
func TestEnvFill(t *testing.T) {
	for text, want := range map[string]string{
		`A=$APP/x`:                  "/srv/app/x",
		`A="${APP}, \$5 and $U"`:    "/srv/app, $5 and www-data",
		`A='$APP'$U`:                "$APPwww-data",
		`A=$NONE:x`:                 ":x",
		`A=${NONE:-/d}:${APP:+set}`: "/d:set",
		`A="${NONE:-two words}"`:    "two words",
		`A=\$5`:                     "$5",
		`A='$$'`:                    "$$",
		`A='$$'$U`:                  "$$www-data",
	} {
		s, _ := stageOf(t, "ENV "+text)
		if got := s.Actions[1].(*Env).Vars[0].Fill(values); got != want {
			t.Errorf("ENV %s: got %q, want %q", text, got, want)
		}
	}
}
