// SPDX-License-Identifier: MPL-2.0

package pkg_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/carosio/carosbuild/"

// allowed says which packages of ours a package may import: only what is
// listed, and what lies below a listed one.
var allowed = map[string][]string{
	"cmd/carosbuild":                     {"cmd/carosbuild/internal/buildcmd", "cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile", "cmd/carosbuild/internal/diskcmd", "cmd/carosbuild/internal/doctorcmd", "cmd/carosbuild/internal/feedcmd", "cmd/carosbuild/internal/imagecmd", "cmd/carosbuild/internal/importcmd", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "cmd/carosbuild/internal/resultcmd", "pkg/decl", "pkg/freshdir", "pkg/progress", "pkg/terminal", "targets"},
	"cmd/carosbuild/internal/buildcmd":   {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile", "cmd/carosbuild/internal/diskcmd", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/compose", "pkg/confine", "pkg/decl", "pkg/disk", "pkg/engine", "pkg/history", "pkg/layer", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/remedy", "pkg/resolve", "pkg/rung", "pkg/sandbox", "pkg/source/bitbake", "pkg/source/debian", "pkg/source/git", "pkg/terminal", "pkg/userns", "pkg/yocto", "targets"},
	"cmd/carosbuild/internal/cli":        {"cmd/carosbuild/internal/render", "pkg/beneath", "pkg/chroot", "pkg/confine", "pkg/decl", "pkg/disk/damage", "pkg/doctor", "pkg/history", "pkg/layer", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/remedy", "pkg/resolve", "pkg/runc", "pkg/rung", "pkg/source/debian", "pkg/source/git", "pkg/supervisor", "pkg/terminal", "pkg/userns", "pkg/vm/guest"},
	"cmd/carosbuild/internal/complete":   {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/declfile", "cmd/carosbuild/internal/localstore", "pkg/compose", "pkg/decl", "pkg/disk", "pkg/history", "pkg/qemu"},
	"cmd/carosbuild/internal/declfile":   {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/render", "pkg/confine", "pkg/decl", "pkg/disk", "pkg/kas", "pkg/plan", "pkg/progress", "pkg/resolve", "pkg/source/git", "pkg/userns", "targets"},
	"cmd/carosbuild/internal/diskcmd":    {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/compose", "pkg/decl", "pkg/disk", "pkg/history", "pkg/layer", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/qemu", "pkg/remedy", "pkg/userns"},
	"cmd/carosbuild/internal/doctorcmd":  {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/doctor", "pkg/engine", "pkg/layer", "pkg/remedy", "pkg/rung", "pkg/source/debian", "pkg/terminal", "pkg/userns"},
	"cmd/carosbuild/internal/feedcmd":    {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/render", "pkg/debfile", "pkg/feed", "pkg/progress"},
	"cmd/carosbuild/internal/imagecmd":   {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/engine", "pkg/evict", "pkg/history", "pkg/layer", "pkg/oci", "pkg/remedy", "pkg/source/debian"},
	"cmd/carosbuild/internal/importcmd":  {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile", "pkg/decl", "pkg/kas", "pkg/wks", "targets"},
	"cmd/carosbuild/internal/localstore": {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/engine", "pkg/history", "pkg/layer", "pkg/owner", "pkg/plan", "pkg/remedy", "pkg/rung", "pkg/userns", "pkg/xdg"},
	"cmd/carosbuild/internal/render":     {"pkg/bytesize", "pkg/decl", "pkg/disk/inspect", "pkg/netfault", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/remedy", "pkg/resolve", "pkg/source/debian", "pkg/source/git", "pkg/terminal"},
	"cmd/carosbuild/internal/rendertest": {"pkg/terminal"},
	"cmd/carosbuild/internal/resultcmd":  {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/freshdir", "pkg/history", "pkg/layer", "pkg/progress", "pkg/release", "pkg/results", "pkg/serve"},

	"pkg/bytesize":       {},
	"pkg/beneath":        {},
	"pkg/decl":           {"pkg/bytesize", "pkg/disk/kind", "pkg/disk/uuid", "pkg/terminal", "pkg/words"},
	"pkg/decl/decltest":  {"pkg/decl"},
	"pkg/confine":        {"pkg/decl"},
	"pkg/decl/load":      {"pkg/confine", "pkg/decl"},
	"pkg/plan":           {"pkg/decl", "pkg/disk/grub", "pkg/key", "pkg/source", "pkg/yocto"},
	"pkg/resolve":        {"pkg/confine", "pkg/decl", "pkg/disk", "pkg/evict", "pkg/freshfile", "pkg/key", "pkg/oci", "pkg/plan", "pkg/remedy", "pkg/source"},
	"pkg/engine":         {"pkg/beneath", "pkg/decl", "pkg/disk/tree", "pkg/evict", "pkg/freshfile", "pkg/key", "pkg/layer", "pkg/oci", "pkg/owner", "pkg/plan", "pkg/progress", "pkg/sandbox", "pkg/source"},
	"pkg/compose":        {"pkg/decl", "pkg/disk", "pkg/layer", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/words", "pkg/yocto"},
	"pkg/history":        {"pkg/decl", "pkg/disk", "pkg/evict", "pkg/freshfile", "pkg/key", "pkg/layer", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/source"},
	"pkg/owner":          {"pkg/owner/record"},
	"pkg/owner/record":   {},
	"pkg/nochown":        {},
	"pkg/remedy":         {},
	"pkg/netfault":       {},
	"pkg/progress":       {},
	"pkg/key":            {},
	"pkg/source/files":   {"pkg/beneath", "pkg/decl", "pkg/key"},
	"pkg/evict":          {"pkg/beneath"},
	"pkg/feed":           {"pkg/debfile", "pkg/freshdir"},
	"pkg/freshdir":       {},
	"pkg/freshfile":      {},
	"pkg/kas":            {"pkg/confine", "pkg/decl"},
	"pkg/layer":          {"pkg/beneath", "pkg/freshfile", "pkg/layer", "pkg/oci", "pkg/owner", "pkg/remedy", "pkg/sealed", "pkg/terminal", "pkg/xdg"},
	"pkg/layer/archive":  {"pkg/beneath", "pkg/oci", "pkg/owner", "pkg/terminal"},
	"pkg/layer/sums":     {"pkg/beneath", "pkg/freshfile", "pkg/layer/archive", "pkg/terminal"},
	"pkg/oci":            {"pkg/ctxio", "pkg/evict", "pkg/freshfile", "pkg/sealed", "pkg/terminal"},
	"pkg/oci/ocitest":    {},
	"pkg/oci/registry":   {"pkg/netfault", "pkg/oci", "pkg/terminal", "pkg/xdg"},
	"pkg/qemu":           {"pkg/disk"},
	"pkg/release":        {"pkg/debfile", "pkg/freshdir", "pkg/results"},
	"pkg/results":        {},
	"pkg/binfmt":         {"pkg/remedy"},
	"pkg/sandbox":        {"pkg/beneath"},
	"pkg/userns":         {"pkg/remedy", "pkg/sandbox"},
	"pkg/supervisor":     {"pkg/binfmt", "pkg/owner/record", "pkg/sandbox", "pkg/supervisor"},
	"pkg/runc":           {"pkg/binfmt", "pkg/remedy", "pkg/sandbox"},
	"pkg/rung":           {"pkg/beneath", "pkg/binfmt", "pkg/chroot", "pkg/disk/tree", "pkg/engine", "pkg/freshfile", "pkg/layer", "pkg/nochown", "pkg/oci", "pkg/owner", "pkg/remedy", "pkg/runc", "pkg/source/debian", "pkg/supervisor", "pkg/userns", "pkg/vm"},
	"pkg/chroot":         {"pkg/beneath", "pkg/binfmt", "pkg/sandbox"},
	"pkg/sealed":         {"pkg/freshfile"},
	"pkg/serve":          {"pkg/bytesize", "pkg/ctxio", "pkg/history", "pkg/plan", "pkg/results"},
	"pkg/source/bitbake": {},
	"pkg/source/debian":  {"pkg/netfault", "pkg/debfile", "pkg/evict", "pkg/freshfile"},
	"pkg/source/git":     {"pkg/evict", "pkg/freshfile", "pkg/netfault", "pkg/remedy", "pkg/terminal"},
	"pkg/ctxio":          {},
	"pkg/debfile":        {},
	"pkg/doctor":         {"pkg/bytesize", "pkg/userns"},
	"pkg/disk":           {"pkg/bytesize", "pkg/disk", "pkg/freshfile", "pkg/words"},
	"pkg/disk/bmap":      {"pkg/disk/pipeline"},
	"pkg/disk/content":   {"pkg/ctxio", "pkg/disk"},
	"pkg/disk/cpio":      {"pkg/disk/tree"},
	"pkg/disk/damage":    {},
	"pkg/disk/deflate":   {},
	"pkg/disk/disktest":  {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/pipeline", "pkg/disk/rofs", "pkg/disk/tree", "pkg/tooltest"},
	"pkg/disk/erofs":     {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/rofs", "pkg/disk/tree"},
	"pkg/disk/ext4":      {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/tree"},
	"pkg/disk/fat":       {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/tree"},
	"pkg/disk/grub":      {"pkg/disk/damage"},
	"pkg/disk/image":     {},
	"pkg/disk/initrd":    {"pkg/disk/tree", "pkg/words"},
	"pkg/disk/inspect":   {"pkg/disk", "pkg/terminal"},
	"pkg/disk/iso":       {"pkg/disk/damage"},
	"pkg/disk/kind":      {},
	"pkg/disk/ova":       {"pkg/ctxio", "pkg/disk/pipeline", "pkg/disk/vmdk"},
	"pkg/disk/partition": {"pkg/disk/damage", "pkg/disk/image"},
	"pkg/disk/pipeline":  {},
	"pkg/disk/qcow2":     {"pkg/disk/damage", "pkg/disk/deflate", "pkg/disk/image", "pkg/disk/pipeline", "pkg/disk/vmdk"},
	"pkg/disk/rofs":      {"pkg/disk/damage", "pkg/disk/tree"},
	"pkg/disk/squashfs":  {"pkg/ctxio", "pkg/disk/damage", "pkg/disk/image", "pkg/disk/rofs", "pkg/disk/tree"},
	"pkg/disk/swap":      {"pkg/disk/image"},
	"pkg/disk/tree":      {"pkg/beneath"},
	"pkg/disk/uboot":     {},
	"pkg/disk/uki":       {"pkg/disk/damage"},
	"pkg/disk/uuid":      {},
	"pkg/disk/verity":    {"pkg/disk/damage", "pkg/disk/image"},
	"pkg/disk/vhd":       {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/pipeline"},
	"pkg/disk/vhdx":      {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/pipeline"},
	"pkg/disk/vmdk":      {"pkg/disk/damage", "pkg/disk/deflate", "pkg/disk/image", "pkg/disk/pipeline"},
	"pkg/terminal":       {},
	"pkg/vm":             {"pkg/binfmt", "pkg/debfile", "pkg/disk/ext4", "pkg/disk/image", "pkg/disk/initrd", "pkg/disk/tree", "pkg/owner", "pkg/qemu", "pkg/remedy", "pkg/sandbox", "pkg/vm"},
	"pkg/vm/cow":         {},
	"pkg/vm/delta":       {"pkg/disk/tree", "pkg/owner"},
	"pkg/vm/guest":       {"pkg/binfmt", "pkg/sandbox", "pkg/vm/wire"},
	"pkg/vm/nbd":         {},
	"pkg/vm/roots":       {"pkg/beneath", "pkg/disk/tree", "pkg/owner", "pkg/vm/delta"},
	"pkg/vm/wire":        {},
	"pkg/wks":            {"pkg/decl", "pkg/disk/kind"},
	"pkg/tooltest":       {},
	"pkg/words":          {},
	"pkg/xdg":            {},
	"pkg/yocto":          {"pkg/disk/tree"},
	"targets":            {},

	"pkg/engine/enginetest": {"pkg/engine", "pkg/key", "pkg/layer", "pkg/oci", "pkg/owner", "pkg/plan", "pkg/sandbox", "pkg/source/files"},
	"pkg/userns/usernstest": {"pkg/remedy", "pkg/userns"},
	"pkg/supervisor/creds":  {},
	"pkg/supervisor/decode": {"pkg/supervisor/creds", "pkg/supervisor/filter"},
	"pkg/supervisor/filter": {"pkg/sandbox"},
}

// owners says which package alone may import an outside module.
var owners = map[string][]string{
	"github.com/google/go-containerregistry/": {"pkg/oci", "pkg/oci/ocitest", "pkg/oci/registry"},
	"go.podman.io/image/":                     {"pkg/oci/registry"},
	"go.podman.io/storage":                    {"pkg/layer", "pkg/oci/registry", "cmd/carosbuild/internal/cli"}, // registry: configfile; cli: reexec.Init
	"github.com/pierrec/lz4/":                 {"pkg/disk"},
	"github.com/opencontainers/runtime-spec/": {"pkg/doctor", "pkg/runc", "pkg/sandbox"},
	"github.com/elastic/go-seccomp-bpf":       {"pkg/chroot", "pkg/supervisor"},
	"github.com/moby/profiles/":               {"pkg/sandbox"},
	"golang.org/x/net/bpf":                    {"pkg/chroot"},
	"github.com/diskfs/go-diskfs":             {"pkg/disk/partition"},
	"encoding/xml":                            {"pkg/decl", "pkg/disk/ova"},
	"github.com/spf13/": { // all of cmd but what draws and prints
		"cmd/carosbuild", "cmd/carosbuild/internal/buildcmd", "cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile",
		"cmd/carosbuild/internal/diskcmd", "cmd/carosbuild/internal/doctorcmd", "cmd/carosbuild/internal/feedcmd", "cmd/carosbuild/internal/imagecmd",
		"cmd/carosbuild/internal/importcmd", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/resultcmd",
	},
	"github.com/ProtonMail/": {"pkg/source/debian"},
	"go.yaml.in/":            {"pkg/kas"},
}

// TestImports reads the sources and fails on an import that the design does
// not allow. Tests are free.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, top := range []string{"../cmd", "../pkg", "../targets"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "testdata" { // programs of tests
				return filepath.SkipDir
			}
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
			seen[pkg] = true
			mine, ok := allowed[pkg]
			if !ok {
				t.Errorf("package %s is not in the table of this test", pkg)
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, imp := range f.Imports {
				name, err := strconv.Unquote(imp.Path.Value)
				if err != nil {
					return err
				}
				if own, ok := strings.CutPrefix(name, module); ok && !slices.ContainsFunc(mine, func(a string) bool { return own == a || strings.HasPrefix(own, a+"/") }) {
					t.Errorf("%s imports %s", path, own)
				}
				for prefix, who := range owners {
					if strings.HasPrefix(name, prefix) && !slices.Contains(who, pkg) {
						t.Errorf("%s imports %s, which belongs to %v", path, name, who)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for pkg := range allowed {
		if !seen[pkg] {
			t.Errorf("package %s of the table does not exist", pkg)
		}
	}
}

// TestLicenceLine: every Go file begins with its licence, apart from the package's own
// comment.
func TestLicenceLine(t *testing.T) {
	const line = "// SPDX-License-Identifier: MPL-2.0\n\n"
	for _, top := range []string{"../cmd", "../pkg", "../targets", "../integration"} {
		err := filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			data, err := os.ReadFile(path)
			if err == nil && !strings.HasPrefix(string(data), line) {
				t.Errorf("%s does not begin with the licence line and an empty one", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
