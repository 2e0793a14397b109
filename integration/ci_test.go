// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ciRecipe is a block of docs/ci.md: what runs, and in which container.
type ciRecipe struct {
	commands  []string
	variables map[string]string
	container ciSecurity
}

// ciSecurity is what a recipe says of its container. Zero is a container by default.
type ciSecurity struct {
	uid        uint32
	noCaps     bool // all are dropped
	noNewPrivs bool
	unfiltered bool // seccomp
	unmasked   bool // /proc
	stores     bool // a volume for root's store
}

// options are the arguments of the tool that imitates pods.
func (s ciSecurity) options() []string {
	o := []string{"--uid", fmt.Sprint(s.uid), "--no-nnp", "--caps", "docker", "--seccomp", "docker", "--masked"}
	for _, set := range []struct {
		is  bool
		say []string
	}{
		{s.noCaps, []string{"--caps", "none"}},
		{s.noNewPrivs, []string{"--nnp"}},
		{s.unfiltered, []string{"--seccomp", "none"}},
		{s.unmasked, []string{"--unmasked"}},
		{s.uid == 1000, []string{"--sub", "build:100000:65536", "--setcap"}}, // as ci-image.xml has it
	} {
		if set.is {
			o = append(o, set.say...)
		}
	}
	return o
}

// recipesOfCI are the recipes of the page, by the second word of their fences.
func recipesOfCI(t *testing.T) map[string]*ciRecipe {
	t.Helper()
	page, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*ciRecipe{}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+) ([\\w-]+)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		kind, name, text := m[1], m[2], m[3]
		r := &ciRecipe{variables: map[string]string{}}
		switch kind {
		case "yaml":
			r.readYAML(t, text)
		case "sh":
			r.readDocker(t, text)
		case "groovy":
			_, pod, _ := strings.Cut(text, "'''")
			pod, _, _ = strings.Cut(pod, "'''")
			r.readYAML(t, pod)
			r.commands = nil // the pod sleeps
			for _, sh := range regexp.MustCompile(`sh '(.*)'`).FindAllStringSubmatch(text, -1) {
				r.commands = append(r.commands, sh[1])
			}
			for _, v := range regexp.MustCompile(`environment \{ (\w+) = '(.*)' \}`).FindAllStringSubmatch(text, -1) {
				r.variables[v[1]] = v[2]
			}
		case "toml": // options of a runner for another recipe
			r = &ciRecipe{commands: all["gitlab"].commands, variables: all["gitlab"].variables}
			for _, o := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(text, -1) {
				r.securityOption(t, o[1])
			}
		default:
			t.Fatalf("a block of language %s", kind)
		}
		all[name] = r
	}
	return all
}

// readYAML finds what is known anywhere in a document.
func (r *ciRecipe) readYAML(t *testing.T, text string) {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	r.walk(t, doc)
}

func (r *ciRecipe) walk(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			r.walk(t, e)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			r.member(t, key, v[key])
		}
	}
}

// member reads one member of an object.
func (r *ciRecipe) member(t *testing.T, key string, v any) {
	t.Helper()
	switch key {
	case "script", "run": // GitLab's is a list, Tekton's and GitHub's a text
		if list, ok := v.([]any); ok {
			for _, e := range list {
				r.commands = append(r.commands, e.(string))
			}
			return
		}
		r.commands = append(r.commands, v.(string))
	case "command":
		var words []string
		for _, w := range v.([]any) {
			words = append(words, w.(string))
		}
		r.commands = append(r.commands, strings.Join(words, " "))
	case "variables", "env":
		r.environment(v)
	case "options":
		for _, o := range strings.Split(strings.TrimPrefix(v.(string), "--security-opt "), " --security-opt ") {
			r.securityOption(t, o)
		}
	case "runAsUser":
		r.container.uid = uint32(v.(int))
	case "allowPrivilegeEscalation":
		r.container.noNewPrivs = !v.(bool)
	case "capabilities":
		r.container.noCaps = fmt.Sprint(v) == "map[drop:[ALL]]"
	case "seccompProfile":
		r.container.unfiltered = fmt.Sprint(v) == "map[type:Unconfined]"
	case "procMount":
		r.container.unmasked = v == "Unmasked"
	default:
		r.walk(t, v)
	}
}

// environment takes variables of a mapping or of a list of names and values.
func (r *ciRecipe) environment(v any) {
	if list, ok := v.([]any); ok {
		for _, e := range list {
			pair := e.(map[string]any)
			r.variables[pair["name"].(string)] = fmt.Sprint(pair["value"])
		}
		return
	}
	for k, value := range v.(map[string]any) {
		r.variables[k] = fmt.Sprint(value)
	}
}

// securityOption does what a value of --security-opt does.
func (r *ciRecipe) securityOption(t *testing.T, o string) {
	t.Helper()
	switch o {
	case "seccomp=unconfined":
		r.container.unfiltered = true
	case "systempaths=unconfined", "unmask=ALL":
		r.container.unmasked = true
	default:
		t.Errorf("security option %q", o)
	}
}

// readDocker reads a command line of docker run or podman run.
func (r *ciRecipe) readDocker(t *testing.T, text string) {
	t.Helper()
	words := strings.Fields(strings.ReplaceAll(text, "\\\n", " "))
	for i := 2; i < len(words); i++ {
		switch word := words[i]; word {
		case "--rm":
		case "--security-opt":
			i++
			r.securityOption(t, words[i])
		case "--env":
			i++
			name, value, _ := strings.Cut(words[i], "=")
			r.variables[name] = value
		case "--user":
			i++
			if _, err := fmt.Sscan(words[i], &r.container.uid); err != nil {
				t.Error(err)
			}
		case "--volume":
			i++
			r.container.stores = r.container.stores || strings.HasSuffix(words[i], ":/var/lib/containers")
		default: // the image
			r.commands = append(r.commands, strings.Join(words[i+1:], " "))
			return
		}
	}
}

// sandboxesOfCI are the sandboxes that docs/ci.md names for its recipes.
var sandboxesOfCI = map[string]string{
	"gitlab": "chroot", "gitlab-docker-userns": "userns",
	"github": "chroot", "github-userns": "userns", "forgejo": "chroot",
	"jenkins": "chroot", "tekton": "chroot", "pod-userns": "userns",
	"docker": "chroot", "docker-userns": "userns", "docker-user": "userns",
	"openshift": "chroot", "openshift-disk": "none",
	"podman": "", // TestReachMatrix runs what it does
}

// TestReachRecipes runs each recipe of docs/ci.md in the container that it asks for. The
// disk is the host's, byte for byte. Recipes that are the same in everything but their
// form run once.
func TestReachRecipes(t *testing.T) {
	c := newContainers(t)
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=1767225600")
	w.work = nodeFolder(t, w.dir)
	w.build(t, "node.xml", "-B", "one", "--out", "node.vmdk")
	w.ok(t, program(t), "export", "one:system", "--to", "oci:image")
	want := fileSum(t, filepath.Join(w.work, "node.vmdk"))
	recipes := recipesOfCI(t)
	ran := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(recipes)) {
		sandbox, known := sandboxesOfCI[name]
		if !known {
			t.Errorf("recipe %s: the test does not know which sandbox it has", name)
		}
		if sandbox == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := recipes[name]
			same := fmt.Sprint(r.container, r.commands, r.variables)
			if before := ran[same]; before != "" {
				t.Logf("is the same as %s", before)
				return
			}
			ran[same] = name
			r.run(t, c, w, sandbox, want)
		})
	}
	if got, want := recipes["podman"].container, (ciSecurity{unfiltered: true, unmasked: true}); got != want {
		t.Errorf("the recipe of podman asks for %+v, TestReachMatrix for %+v", got, want)
	}
	if len(recipes) != len(sandboxesOfCI) {
		t.Errorf("%d recipes on the page, want %d", len(recipes), len(sandboxesOfCI))
	}
}

// run runs the commands of a recipe, and checks the sandbox that it says and its disk.
func (r *ciRecipe) run(t *testing.T, c *containers, w *world, sandbox, want string) {
	t.Helper()
	work := nodeFolder(t, w.dir)
	if err := os.CopyFS(filepath.Join(work, "image"), os.DirFS(filepath.Join(w.work, "image"))); err != nil {
		t.Fatal(err)
	}
	options := append(r.container.options(), "--env", "CAROSBUILD_PROGRESS=plain")
	for k, v := range r.variables {
		options = append(options, "--env", k+"="+strings.ReplaceAll(v, "$CI_PROJECT_DIR", "/workspace"))
	}
	if r.container.stores {
		store := filepath.Join(work, "store")
		if err := os.Mkdir(store, 0o755); err != nil {
			t.Fatal(err)
		}
		options = append(options, "--mount", store+":/var/lib/containers")
	}
	var commands []string
	for _, command := range r.commands {
		if strings.HasPrefix(command, "carosbuild ") { // the others fetch the sources
			commands = append(commands, command)
		}
	}
	if len(commands) == 0 {
		t.Fatal("no command")
	}
	script := "set -e; umask 022; " + strings.Join(commands, "; ")
	got := c.run(t, "E4", options, work, script)
	if got.status != 0 {
		t.Fatalf("exit status %d\n%s%s", got.status, tailOf(got.stdout), tailOf(got.stderr))
	}
	if sum := fileSum(t, filepath.Join(work, "node.vmdk")); sum != want {
		t.Errorf("the disk is %s, the host's %s", sum, want)
	}
	if said := strings.Contains(got.stderr, "steps run in sandbox chroot"); said != (sandbox == "chroot") {
		t.Errorf("want sandbox %s:\n%s", sandbox, tailOf(got.stderr))
	}
	if r.container.stores {
		if again := c.run(t, "E4", options, work, script); again.status != 0 || len(executed(again.stderr)) != 0 {
			t.Errorf("with the same store again: exit status %d, ran %v\n%s", again.status, executed(again.stderr), tailOf(again.stderr))
		}
	}
}
