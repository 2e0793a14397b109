// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// snippet is a block of docs/registries.md.
type snippet struct{ heading, kind, text string }

func snippets(t *testing.T) (all []snippet, page string) {
	t.Helper()
	data, err := os.ReadFile("../../../docs/registries.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range strings.Split(string(data), "\n## ")[1:] {
		heading, _, _ := strings.Cut(section, "\n")
		for _, m := range regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```").FindAllStringSubmatch(section, -1) {
			all = append(all, snippet{heading, m[1], m[2]})
		}
	}
	return all, string(data)
}

// Each block of the page is written where the page says, and has the effect that
// the page says.
func TestRegistriesPage(t *testing.T) {
	all, _ := snippets(t)
	const digest = "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	places := func(of string, want ...string) func(*testing.T, string) {
		return func(t *testing.T, text string) {
			r := podmanHome(t, map[string]string{".config/containers/registries.conf.d/page.conf": text})
			conf, err := r.settings()
			if err != nil {
				t.Fatal(err)
			}
			got, err := conf.sources(of)
			var names []string
			for _, p := range got {
				names = append(names, p.at.String())
			}
			if len(want) == 0 {
				if err == nil {
					t.Errorf("%s is taken from %q, and should be refused", of, names)
				}
				return
			}
			if err != nil || !slices.Equal(names, want) {
				t.Errorf("%s is taken from %q, want %q; %v", of, names, want, err)
			}
		}
	}
	checks := map[string][]func(*testing.T, string){
		"Names": {func(t *testing.T, text string) {
			places("base:1", "registry.example.org/team/base:1")(t, text)
			places("other:1", "registry.example.org/other:1", "docker.io/library/other:1")(t, text)
		}},
		"Mirrors": {
			func(t *testing.T, text string) {
				places("debian:12", "docker.io/library/debian:12")(t, text)
				places("debian"+digest, "mirror.example.org/hub/library/debian"+digest, "docker.io/library/debian"+digest)(t, text)
			},
			places("old.example.org/team/x:1", "registry.example.org/team/x:1"),
			places("forbidden.example.org/x:1"),
		},
		"Logins":       {checkLogin, checkAuthFile},
		"Certificates": {checkCertificates},
		"Plain HTTP":   {checkPlain},
	}
	done := map[string]int{}
	for _, s := range all {
		n := done[s.heading]
		done[s.heading]++
		t.Run(fmt.Sprintf("%s %d", s.heading, n+1), func(t *testing.T) {
			if n >= len(checks[s.heading]) {
				t.Fatalf("nobody runs this block:\n%s", s.text)
			}
			checks[s.heading][n](t, s.text)
		})
	}
	for heading, c := range checks {
		if done[heading] != len(c) {
			t.Errorf("%s has %d blocks, want %d", heading, done[heading], len(c))
		}
	}
}

// testRegistry serves an image to those who log in as joe with the password secret.
func testRegistry(t *testing.T, start func(*httptest.Server)) (srv *httptest.Server, host string) {
	t.Helper()
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "x")))
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "joe" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		img.serve(w, r)
	}))
	start(srv)
	t.Cleanup(srv.Close)
	return srv, srv.Listener.Addr().String()
}

const joe = `{"auths": {"HOST": {"auth": "am9lOnNlY3JldA=="}}}`

func checkLogin(t *testing.T, text string) {
	_, host := testRegistry(t, (*httptest.Server).Start)
	r := podmanHome(t, map[string]string{
		".config/containers/registries.conf": "[[registry]]\nlocation = \"" + host + "\"\ninsecure = true\n",
		"run/x":                              "", // makes the directory
	})
	r.root = "" // the file is below XDG_RUNTIME_DIR, not below the root
	tooltest.Find(t, "podman")
	if err := openImage(t, r, host+"/team/x:1"); err == nil {
		t.Fatal("it needs no login")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(text, "registry.example.org", "--tls-verify=false -u joe -p secret "+host))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := openImage(t, r, host+"/team/x:1"); err != nil {
		t.Error(err)
	}
}

func checkAuthFile(t *testing.T, text string) {
	r := podmanHome(t, map[string]string{
		".config/containers/auth.json": text,
		"bin/docker-credential-pass":   "#!/bin/sh\necho '{\"Username\": \"helper\", \"Secret\": \"x\"}'\n",
	})
	if err := os.Chmod(filepath.Join(r.root, "bin/docker-credential-pass"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(r.root, "bin")+":"+os.Getenv("PATH"))
	conf, err := r.settings()
	if err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]string{"registry.example.org/team/base": "joe secret", "registry.example.org/other": " ", "helped.example.org/x": "helper x"} {
		named, err := dockerref.ParseNormalizedNamed(image)
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := r.credentials(t.Context(), conf, named)
		if got := c.Username + " " + c.Password; err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", image, got, err, want)
		}
	}
}

func checkCertificates(t *testing.T, text string) {
	srv, host := testRegistry(t, (*httptest.Server).StartTLS)
	r := podmanHome(t, map[string]string{
		".config/containers/auth.json": strings.ReplaceAll(joe, "HOST", host),
		"ca.crt":                       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})),
	})
	if err := openImage(t, r, host+"/x:1"); err == nil {
		t.Fatal("it is trusted already")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(text, "registry.example.org", host))
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := openImage(t, r, host+"/x:1"); err != nil {
		t.Error(err)
	}
}

func checkPlain(t *testing.T, text string) {
	srv, _ := testRegistry(t, (*httptest.Server).Start)
	auth := strings.ReplaceAll(joe, "HOST", "registry.example.org")
	r := podmanHome(t, map[string]string{".config/containers/auth.json": auth})
	r.Transport = allTo(srv)
	if err := openImage(t, r, "registry.example.org/x:1"); err == nil {
		t.Fatal("it is spoken to without TLS")
	}
	r = podmanHome(t, map[string]string{".config/containers/auth.json": auth, ".config/containers/registries.conf.d/page.conf": text})
	r.Transport = allTo(srv)
	if err := openImage(t, r, "registry.example.org/x:1"); err != nil {
		t.Error(err)
	}
}

// The limits on the page are those of the program.
func TestRegistriesPageLimits(t *testing.T) {
	_, page := snippets(t)
	d := Deadlines{}.withDefaults()
	short := func(d time.Duration) string {
		if d >= time.Minute {
			return fmt.Sprintf("%g min", d.Minutes())
		}
		return fmt.Sprintf("%g s", d.Seconds())
	}
	var status []string
	for _, s := range retryStatus() {
		status = append(status, fmt.Sprint(s))
	}
	last := len(status) - 1
	for what, limit := range map[string]string{
		"connecting, once the name is resolved":                                                short(d.Connect),
		"beginning of an answer":                                                               short(d.Headers),
		"end of an answer to an upload":                                                        short(5 * d.Headers),
		"all of a manifest, config or token":                                                   short(d.Small),
		fmt.Sprintf("%d KiB more of a layer", progressBytes>>10):                               short(d.Progress),
		"waiting between the attempts of one request, in all":                                  short(d.Waiting),
		"redirects of one request":                                                             fmt.Sprint(maxRedirects),
		"attempts after an error " + strings.Join(status[:last], ", ") + " or " + status[last]: fmt.Sprint(Client{}.backoff().Steps),
	} {
		if row := fmt.Sprintf("| %s | %s |\n", what, limit); !strings.Contains(page, row) {
			t.Errorf("the page lacks the row %q", row)
		}
	}
}
