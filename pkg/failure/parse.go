// SPDX-License-Identifier: MPL-2.0

package failure

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// The forms of ids, as declarations and command lines have them.
var (
	stageForm = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
	buildForm = lazyregexp.New(`^[a-z0-9][a-z0-9_.-]{0,199}$`)
)

// Read is what is noted in the configuration of an image, which may be anybody's. It is
// false where nothing is. A record that Mark cannot have made is an error; Text, File and
// Log are foreign text all the same.
func Read(c *oci.Config) (*Record, bool, error) {
	if !Marked(c) {
		return nil, false, nil
	}
	r := &Record{}
	if err := r.read(c.Config.Labels); err != nil {
		return nil, true, fmt.Errorf("what the image says of a failed step: %w", err)
	}
	return r, true, nil
}

func (r *Record) read(l map[string]string) error {
	if l[formatLabel] != format {
		return fmt.Errorf("format %.20q: another version of carosbuild has written it", l[formatLabel])
	}
	r.Build, r.Stage, r.Kind, r.Text = l[buildLabel], l[stageLabel], l[kindLabel], l[textLabel]
	r.File, r.Log, r.Network, r.User = l[fileLabel], l[logLabel], l[networkLabel], l[userLabel]
	var err error
	if r.Step, r.Steps, err = pair(l[stepLabel], "/"); err != nil || r.Step < 1 || r.Step > r.Steps {
		return fmt.Errorf("step %.40q", l[stepLabel])
	}
	if r.Line, r.Column, err = pair(l[lineLabel], ":"); err != nil {
		return fmt.Errorf("line %.40q", l[lineLabel])
	}
	if r.Status, err = strconv.Atoi(l[statusLabel]); err != nil || r.Status < 1 || r.Status > 255 {
		return fmt.Errorf("exit status %.40q", l[statusLabel])
	}
	for name, v := range map[string]string{textLabel: r.Text, logLabel: r.Log, fileLabel: r.File, userLabel: r.User} {
		most := map[string]int{textLabel: mostText, logLabel: mostLog}[name]
		if len(v) > max(most, mostName) || !utf8.ValidString(v) {
			return fmt.Errorf("label %s is too long or not UTF-8", name)
		}
	}
	if !stageForm().MatchString(r.Stage) || !buildForm().MatchString(r.Build) {
		return fmt.Errorf("%.200q is not BUILDID:STAGE", r.Build+":"+r.Stage)
	}
	if !kinds(r.Kind) {
		return fmt.Errorf("a step of kind %.40q", r.Kind)
	}
	return r.readWorld(l)
}

// kinds reports whether there are steps of a kind whose command can fail.
func kinds(kind string) bool {
	return kind == string(decl.RunKind) || kind == string(decl.BitbakeKind) || kind == plan.BootstrapKind
}

func (w *World) readWorld(l map[string]string) error {
	switch sandbox.Network(w.Network) {
	case "", sandbox.HostNetwork, sandbox.NoNetwork:
	default:
		return fmt.Errorf("network %.40q", w.Network)
	}
	if text, ok := l[epochLabel]; ok {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("SOURCE_DATE_EPOCH %.40q", text)
		}
		w.Epoch = &n
	}
	w.GitLayers = l[gitLabel] == "true"
	if hasControls(w.User) {
		return fmt.Errorf("user %.80q", w.User)
	}
	if err := fromJSON(l, cachesLabel, &w.Caches); err != nil {
		return err
	}
	if err := checkCaches(w.Caches); err != nil {
		return err
	}
	if err := fromJSON(l, aptLabel, &w.Apt); err != nil || w.Apt == nil {
		return err
	}
	return checkApt(w.Apt)
}

// fromJSON reads the value of a label, if there is one.
func fromJSON(l map[string]string, name string, v any) error {
	text, ok := l[name]
	if !ok {
		return nil
	}
	if len(text) > mostList {
		return fmt.Errorf("label %s has %d bytes", name, len(text))
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("label %s: %w", name, err)
	}
	return nil
}

// checkCaches refuses mount points that no declaration can have.
func checkCaches(caches []plan.Cache) error {
	if len(caches) > mostCaches {
		return fmt.Errorf("%d caches", len(caches))
	}
	var seen []string
	for _, c := range caches {
		clean := path.Clean(c.Path)
		climbs := slices.Contains(strings.Split(c.Path, "/"), "..")
		if !path.IsAbs(c.Path) || climbs || clean == "/" || len(c.Path) > 4096 || hasControls(c.Path) || isRuntimes(clean) || slices.Contains(seen, clean) {
			return fmt.Errorf("a cache at %.80q", c.Path)
		}
		seen = append(seen, clean)
	}
	return nil
}

// isRuntimes reports whether a mount there would hide what the sandbox itself mounts.
func isRuntimes(target string) bool {
	return slices.ContainsFunc([]string{"/proc", "/sys", "/dev", debian.RunDir}, func(dir string) bool { return target == dir || strings.HasPrefix(target, dir+"/") })
}

// checkApt refuses what leads to this machine's files, or to a server as somebody.
func checkApt(a *plan.Apt) error {
	b := a.Bootstrap
	if a.Host != nil || b.Keyring != "" || len(a.Without) > mostSuites {
		return errors.New("what apt is told is of another machine")
	}
	if slices.Contains(a.Without, b.Suite) {
		return fmt.Errorf("mirrors without the suite %.80q itself", b.Suite)
	}
	for _, m := range []string{b.Mirror, b.SecurityMirror} {
		if m != "" && m != debian.NoMirror && !isPublic(m) {
			return fmt.Errorf("mirror %.80q", Redact(m))
		}
	}
	return b.Check()
}

// isPublic reports whether an address of a mirror is one that every machine may use.
func isPublic(mirror string) bool {
	u, err := url.Parse(mirror)
	return err == nil && u.User == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// CheckConfig refuses an environment, a user or a directory of an image that no command
// can have.
func CheckConfig(c *oci.Config) error {
	size := 0
	for _, kv := range c.Config.Env {
		name, _, ok := strings.Cut(kv, "=")
		if size += len(kv); !ok || name == "" || hasControls(name) || strings.ContainsRune(kv, 0) {
			return fmt.Errorf("the image has the variable %.80q", kv)
		}
	}
	if len(c.Config.Env) > mostEnv || size > mostEnvSize {
		return fmt.Errorf("the image has %d variables of %d bytes", len(c.Config.Env), size)
	}
	if dir := c.Config.WorkingDir; dir != "" && !path.IsAbs(dir) || len(dir) > 4096 || hasControls(dir) {
		return fmt.Errorf("the image has the directory %.80q", dir)
	}
	if user := c.Config.User; len(user) > mostName || hasControls(user) {
		return fmt.Errorf("the image has the user %.80q", user)
	}
	return nil
}

func hasControls(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// pair reads two numbers.
func pair(text, between string) (a, b int, err error) {
	first, second, ok := strings.Cut(text, between)
	if !ok {
		return 0, 0, strconv.ErrSyntax
	}
	if a, err = strconv.Atoi(first); err == nil {
		b, err = strconv.Atoi(second)
	}
	if a < 0 || b < 0 {
		err = strconv.ErrRange
	}
	return a, b, err
}
