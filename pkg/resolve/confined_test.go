// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// confinedTo are the roots of a test.
func confinedTo(t *testing.T, dirs ...string) *confine.Roots {
	t.Helper()
	r, err := confine.New(dirs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A repository on this machine is accepted if it is inside the roots, with
// everything that git would read from it.
func TestCheckGit(t *testing.T) {
	top := t.TempDir()
	own, private := filepath.Join(top, "own"), filepath.Join(top, "private")
	at := func(name string) string { return filepath.Join(own, name) }
	for _, dir := range []string{
		private + "/objects", at("bare/objects/info"), at("bare/refs"), at("tree/.git/objects"), at("lends/objects/info"), at("linked"), at("pointer"), at("evil"), at("common/objects"), at("ends.git/objects/info"), at("inner/.git/objects/info"),
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{
		"lends/objects/info/alternates": private, "pointer/.git": "gitdir: " + private, "common/commondir": private, "evil/commondir": private, "evil/HEAD": "ref: refs/heads/main", "ends.git/objects/info/alternates": private, "inner/.git/objects/info/alternates": private,
	} {
		if err := os.WriteFile(at(file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(private+"/objects", at("linked/objects")), os.Symlink(private, at("out")), os.Symlink(private, at("tree/worklink")), os.Mkdir(at("half"), 0o755), os.Symlink(private, at("half/.git"))); err != nil {
		t.Fatal(err)
	}
	within := confinedTo(t, own)
	escaped := strings.ReplaceAll(url.PathEscape("../private"), ".", "%2e")
	for address, allowed := range map[string]bool{
		"https://example.org/x": true, "ssh://git@example.org/x": true, "git@example.org:x": true,
		at("bare"): true, "file://" + at("bare"): true, at("tree"): true, at("none"): true,
		private: false, "file://" + private: false, at("../private"): false, "file://" + own + "/" + escaped: false, "file://" + own + "/x/../../private": false,
		at("lends"): false, at("linked"): false, at("pointer"): false, at("common"): false, at("ends"): false, at("inner"): false, at("out"): false, at("half"): false,
		"file://host" + at("bare"): false, "file://" + own + "/x/../bare": false, "file://" + own + "/x/%2e%2e/bare": false, at("evil"): false,
		"file:/" + private: false, // git treats what looks like a host as a part of the path
	} {
		err := CheckGit(within, address)
		if _, outside := confine.Is(err); outside == allowed {
			t.Errorf("%s: got %v, allowed is %v", address, err, allowed)
		}
		if err := CheckGit(nil, address); err != nil {
			t.Errorf("%s, not confined: %v", address, err)
		}
	}
}

// A layout inside the roots must not lead out by a link.
func TestCheckLayout(t *testing.T) {
	own := t.TempDir()
	lay := filepath.Join(own, "lay")
	if err := os.Mkdir(lay, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &Resolver{Within: confinedTo(t, own)}
	image := &decl.From{Image: "oci:" + lay}
	if err := r.checkImage(image.Image, image); err != nil {
		t.Errorf("a layout inside: %v", err)
	}
	if err := os.Symlink("/etc", filepath.Join(lay, "blobs")); err != nil {
		t.Fatal(err)
	}
	var found *finding.ListError
	if err := r.checkImage(image.Image, image); !errors.As(err, &found) {
		t.Errorf("a layout with a link: %v", err)
	}
}

// A path outside the roots is a finding at its place, and nothing of it is read.
func TestConfined(t *testing.T) {
	top := t.TempDir()
	own := filepath.Join(top, "own")
	if err := errors.Join(os.Mkdir(own, 0o755), os.WriteFile(filepath.Join(own, "key"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r := newTreesResolver(t)
	r.Within = confinedTo(t, own)
	for text, want := range map[string]string{
		`<bootstrap suite="bookworm" security-mirror="file:///srv/{snapshot}/x" snapshot="20250101T000000Z"/>`: `security-mirror "file:///srv/{snapshot}/x": /srv/20250101T000000Z/x is outside`,
		`<bootstrap suite="bookworm" mirror="file://` + own + `/%2e%2e/x"/>`:                                   top + "/x is outside",
		`<bootstrap suite="bookworm" keyring="/etc/none-such"/>`:                                               `keyring "/etc/none-such": /etc/none-such is outside`,
		`<action>FROM oci:/srv/none-such</action>`:                                                             `image "oci:/srv/none-such": /srv/none-such is outside`,
	} {
		d, fs := decl.Parse(decl.Source{Name: "a.xml", Dirs: []string{own}, Data: []byte("<redo><buildstage id='s'>\n" + text + "</buildstage></redo>")})
		if fs.HasErrors() {
			t.Fatal(fs)
		}
		_, err := r.Resolve(t.Context(), d, []string{"s"})
		var de *finding.ListError
		if !errors.As(err, &de) || !strings.Contains(err.Error(), want) || de.Findings[0].Span.Line != 2 || len(de.Findings[0].Notes) != 1 || de.Findings[0].Notes[0].Text != confine.Remedy {
			t.Errorf("%s: got %v, want %q with a place and the remedy", text, err, want)
		}
	}
}
