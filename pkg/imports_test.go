// SPDX-License-Identifier: MPL-2.0

package pkg_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/carosio/carosbuild/"

// allowed says which packages of ours a package may import: only what is
// listed, and what lies below a listed one. What is listed is imported.
var allowed = map[string][]string{
	"cmd/carosbuild":                     {"cmd/carosbuild/internal/buildcmd", "cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile", "cmd/carosbuild/internal/diskcmd", "cmd/carosbuild/internal/doctorcmd", "cmd/carosbuild/internal/feedcmd", "cmd/carosbuild/internal/imagecmd", "cmd/carosbuild/internal/importcmd", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "cmd/carosbuild/internal/resultcmd", "pkg/decl", "pkg/freshdir", "pkg/progress", "pkg/terminal", "pkg/words", "targets"},
	"cmd/carosbuild/internal/buildcmd":   {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile", "cmd/carosbuild/internal/diskcmd", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "cmd/carosbuild/internal/stepflags", "pkg/bytesize", "pkg/compose", "pkg/confine", "pkg/decl", "pkg/disk", "pkg/engine", "pkg/failure", "pkg/freshdir", "pkg/history", "pkg/layer", "pkg/network", "pkg/oci", "pkg/offline", "pkg/plan", "pkg/progress", "pkg/remedy", "pkg/resolve", "pkg/rung", "pkg/sandbox", "pkg/source/bitbake", "pkg/source/debian", "pkg/source/git", "pkg/terminal", "pkg/userns", "pkg/words", "pkg/yocto", "targets"},
	"cmd/carosbuild/internal/cli":        {"cmd/carosbuild/internal/render", "pkg/beneath", "pkg/chroot", "pkg/confine", "pkg/decl", "pkg/disk/damage", "pkg/doctor", "pkg/download", "pkg/history", "pkg/layer", "pkg/lazyregexp", "pkg/network", "pkg/oci", "pkg/offline", "pkg/plan", "pkg/progress", "pkg/remedy", "pkg/resolve", "pkg/runc", "pkg/rung", "pkg/source/debian", "pkg/source/files", "pkg/source/git", "pkg/supervisor", "pkg/terminal", "pkg/userns", "pkg/vm/guest", "pkg/words"},
	"cmd/carosbuild/internal/complete":   {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/declfile", "cmd/carosbuild/internal/localstore", "pkg/compose", "pkg/decl", "pkg/disk", "pkg/history", "pkg/qemu"},
	"cmd/carosbuild/internal/declfile":   {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/render", "pkg/confine", "pkg/decl", "pkg/disk", "pkg/kas", "pkg/lazyregexp", "pkg/plan", "pkg/progress", "pkg/resolve", "pkg/source/git", "pkg/userns", "pkg/words", "targets"},
	"cmd/carosbuild/internal/diskcmd":    {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/compose", "pkg/decl", "pkg/disk", "pkg/disk/tree", "pkg/history", "pkg/layer", "pkg/oci", "pkg/offline", "pkg/plan", "pkg/progress", "pkg/qemu", "pkg/remedy", "pkg/rung", "pkg/userns"},
	"cmd/carosbuild/internal/doctorcmd":  {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/doctor", "pkg/engine", "pkg/layer", "pkg/network", "pkg/remedy", "pkg/rung", "pkg/source/debian", "pkg/terminal", "pkg/userns"},
	"cmd/carosbuild/internal/feedcmd":    {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/render", "pkg/debfile", "pkg/feed", "pkg/progress"},
	"cmd/carosbuild/internal/imagecmd":   {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/engine", "pkg/evict", "pkg/fsck", "pkg/history", "pkg/layer", "pkg/oci", "pkg/remedy", "pkg/rung", "pkg/source/debian", "pkg/words"},
	"cmd/carosbuild/internal/importcmd":  {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile", "pkg/decl", "pkg/kas", "pkg/wks", "targets"},
	"cmd/carosbuild/internal/localstore": {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/engine", "pkg/history", "pkg/layer", "pkg/plan", "pkg/progress", "pkg/remedy", "pkg/rung", "pkg/userns", "pkg/xdg"},
	"cmd/carosbuild/internal/render":     {"pkg/bytesize", "pkg/decl", "pkg/disk/inspect", "pkg/failure", "pkg/netfault", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/remedy", "pkg/resolve", "pkg/source/debian", "pkg/source/git", "pkg/terminal", "pkg/words"},
	"cmd/carosbuild/internal/rendertest": {"pkg/terminal"},
	"cmd/carosbuild/internal/resultcmd":  {"cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/render", "pkg/bytesize", "pkg/compose", "pkg/freshdir", "pkg/history", "pkg/layer", "pkg/progress", "pkg/release", "pkg/report", "pkg/results", "pkg/serve", "pkg/terminal", "pkg/words"},

	"pkg/bytesize":                      {},
	"pkg/beneath":                       {},
	"pkg/decl":                          {"pkg/bytesize", "pkg/decl/finding", "pkg/decl/xmltext", "pkg/disk/kind", "pkg/disk/uuid", "pkg/lazyregexp", "pkg/words"},
	"pkg/decl/decltest":                 {"pkg/decl"},
	"pkg/confine":                       {"pkg/decl/finding"},
	"pkg/decl/load":                     {"pkg/confine", "pkg/decl"},
	"pkg/plan":                          {"pkg/decl", "pkg/disk/grub", "pkg/key", "pkg/source", "pkg/words", "pkg/yocto"},
	"pkg/resolve":                       {"pkg/confine", "pkg/decl", "pkg/disk", "pkg/evict", "pkg/freshfile", "pkg/fsck", "pkg/key", "pkg/lazyregexp", "pkg/oci", "pkg/plan", "pkg/remedy", "pkg/sealed", "pkg/source", "pkg/words"},
	"pkg/engine":                        {"pkg/beneath", "pkg/evict", "pkg/failure", "pkg/freshfile", "pkg/inorder", "pkg/key", "pkg/layer", "pkg/lazyregexp", "pkg/oci", "pkg/owner", "pkg/plan", "pkg/progress", "pkg/sandbox", "pkg/source"},
	"pkg/compose":                       {"pkg/decl", "pkg/disk", "pkg/freshfile", "pkg/layer", "pkg/lazyregexp", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/words", "pkg/yocto"},
	"pkg/history":                       {"pkg/decl", "pkg/disk", "pkg/download", "pkg/evict", "pkg/freshfile", "pkg/fsck", "pkg/key", "pkg/layer", "pkg/oci", "pkg/plan", "pkg/progress", "pkg/sealed", "pkg/source", "pkg/words"},
	"pkg/owner":                         {"pkg/owner/record"},
	"pkg/owner/record":                  {},
	"pkg/nochown":                       {},
	"pkg/remedy":                        {},
	"pkg/netfault":                      {},
	"pkg/progress":                      {},
	"pkg/key":                           {},
	"pkg/source/files":                  {"pkg/beneath", "pkg/decl", "pkg/evict", "pkg/inorder", "pkg/key", "pkg/sealed"},
	"pkg/evict":                         {"pkg/beneath"},
	"pkg/feed":                          {"pkg/debfile", "pkg/freshdir", "pkg/freshfile", "pkg/lazyregexp"},
	"pkg/freshdir":                      {"pkg/freshfile"},
	"pkg/freshfile":                     {},
	"pkg/kas":                           {"pkg/confine", "pkg/decl", "pkg/lazyregexp", "pkg/words"},
	"pkg/inorder":                       {},
	"pkg/lazyregexp":                    {},
	"pkg/layer":                         {"pkg/beneath", "pkg/freshfile", "pkg/fsck", "pkg/layer", "pkg/oci", "pkg/owner", "pkg/remedy", "pkg/sealed", "pkg/terminal", "pkg/xdg"},
	"pkg/layer/archive":                 {"pkg/beneath", "pkg/oci", "pkg/owner", "pkg/terminal"},
	"pkg/layer/snapshot":                {"pkg/layer/archive"},
	"pkg/layer/sums":                    {"pkg/beneath", "pkg/freshfile", "pkg/layer/archive", "pkg/terminal"},
	"pkg/oci":                           {"pkg/ctxio", "pkg/evict", "pkg/freshfile", "pkg/fsck", "pkg/sealed", "pkg/terminal"},
	"pkg/oci/ocitest":                   {},
	"pkg/oci/registry":                  {"pkg/bytesize", "pkg/netfault", "pkg/oci", "pkg/terminal", "pkg/xdg"},
	"pkg/qemu":                          {"pkg/disk", "pkg/lazyregexp"},
	"pkg/release":                       {"pkg/debfile", "pkg/freshdir", "pkg/results"},
	"pkg/report":                        {"pkg/bytesize", "pkg/ctxio", "pkg/freshdir", "pkg/history", "pkg/release", "pkg/results", "pkg/terminal", "pkg/words"},
	"pkg/results":                       {"pkg/disk/tree"},
	"pkg/binfmt":                        {"pkg/remedy"},
	"pkg/sandbox":                       {"pkg/beneath"},
	"pkg/userns":                        {"pkg/remedy", "pkg/sandbox"},
	"pkg/supervisor":                    {"pkg/binfmt", "pkg/owner/record", "pkg/sandbox", "pkg/supervisor"},
	"pkg/callfilter":                    {"pkg/sandbox"},
	"pkg/runc":                          {"pkg/binfmt", "pkg/callfilter", "pkg/remedy", "pkg/sandbox"},
	"pkg/rtnetlink":                     {},
	"pkg/rung":                          {"pkg/beneath", "pkg/binfmt", "pkg/chroot", "pkg/disk/tree", "pkg/engine", "pkg/evict", "pkg/freshfile", "pkg/layer", "pkg/nochown", "pkg/oci", "pkg/owner", "pkg/remedy", "pkg/runc", "pkg/source/debian", "pkg/supervisor", "pkg/userns", "pkg/vm"},
	"pkg/chroot":                        {"pkg/beneath", "pkg/binfmt", "pkg/callfilter", "pkg/sandbox"},
	"pkg/sealed":                        {"pkg/freshfile", "pkg/fsck"},
	"pkg/serve":                         {"pkg/bytesize", "pkg/ctxio", "pkg/freshfile", "pkg/history", "pkg/plan", "pkg/report", "pkg/results"},
	"pkg/source/bitbake":                {"pkg/lazyregexp"},
	"pkg/source/debian":                 {"pkg/debfile", "pkg/download", "pkg/evict", "pkg/freshfile", "pkg/fsck", "pkg/lazyregexp", "pkg/source/debian"},
	"pkg/source/git":                    {"pkg/download", "pkg/evict", "pkg/freshfile", "pkg/fsck", "pkg/lazyregexp", "pkg/remedy", "pkg/terminal"},
	"pkg/ctxio":                         {},
	"pkg/debfile":                       {"pkg/lazyregexp"},
	"pkg/download":                      {},
	"pkg/offline":                       {"pkg/bytesize", "pkg/decl/finding", "pkg/download", "pkg/freshdir", "pkg/freshfile", "pkg/oci", "pkg/plan", "pkg/source", "pkg/words"},
	"pkg/doctor":                        {"pkg/bytesize", "pkg/supervisor", "pkg/userns", "pkg/vm"},
	"pkg/disk":                          {"pkg/bytesize", "pkg/disk", "pkg/freshfile", "pkg/words"},
	"pkg/disk/bmap":                     {"pkg/disk/pipeline", "pkg/lazyregexp"},
	"pkg/disk/content":                  {"pkg/ctxio", "pkg/disk"},
	"pkg/disk/cpio":                     {"pkg/disk/tree"},
	"pkg/disk/damage":                   {},
	"pkg/disk/deflate":                  {},
	"pkg/disk/disktest":                 {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/pipeline", "pkg/disk/rofs", "pkg/disk/tree", "pkg/tooltest"},
	"pkg/disk/erofs":                    {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/rofs", "pkg/disk/tree"},
	"pkg/disk/ext4":                     {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/tree"},
	"pkg/disk/fat":                      {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/tree"},
	"pkg/disk/grub":                     {"pkg/disk/damage"},
	"pkg/disk/image":                    {},
	"pkg/disk/initrd":                   {"pkg/disk/tree", "pkg/words"},
	"pkg/disk/inspect":                  {"pkg/disk", "pkg/terminal"},
	"pkg/disk/iso":                      {"pkg/disk/damage"},
	"pkg/disk/kind":                     {},
	"pkg/disk/ova":                      {"pkg/ctxio", "pkg/disk/pipeline", "pkg/disk/vmdk", "pkg/lazyregexp"},
	"pkg/disk/partition":                {"pkg/disk/damage", "pkg/disk/image"},
	"pkg/disk/pipeline":                 {},
	"pkg/disk/qcow2":                    {"pkg/disk/damage", "pkg/disk/deflate", "pkg/disk/image", "pkg/disk/pipeline"},
	"pkg/disk/rofs":                     {"pkg/disk/damage", "pkg/disk/tree"},
	"pkg/disk/squashfs":                 {"pkg/ctxio", "pkg/disk/damage", "pkg/disk/image", "pkg/disk/rofs", "pkg/disk/tree"},
	"pkg/disk/swap":                     {"pkg/disk/image"},
	"pkg/disk/tree":                     {"pkg/beneath"},
	"pkg/disk/uboot":                    {},
	"pkg/disk/uki":                      {"pkg/disk/damage"},
	"pkg/disk/uuid":                     {},
	"pkg/disk/verity":                   {"pkg/disk/damage", "pkg/disk/image"},
	"pkg/disk/vhd":                      {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/pipeline"},
	"pkg/disk/vhdx":                     {"pkg/disk/damage", "pkg/disk/image", "pkg/disk/pipeline"},
	"pkg/disk/vmdk":                     {"pkg/disk/damage", "pkg/disk/deflate", "pkg/disk/image", "pkg/disk/pipeline", "pkg/lazyregexp"},
	"pkg/terminal":                      {},
	"pkg/vm":                            {"pkg/binfmt", "pkg/debfile", "pkg/disk/ext4", "pkg/disk/image", "pkg/disk/initrd", "pkg/disk/tree", "pkg/evict", "pkg/freshfile", "pkg/owner", "pkg/qemu", "pkg/remedy", "pkg/sandbox", "pkg/vm"},
	"pkg/vm/cow":                        {},
	"pkg/vm/delta":                      {"pkg/disk/tree", "pkg/owner"},
	"pkg/vm/guest":                      {"pkg/binfmt", "pkg/rtnetlink", "pkg/sandbox", "pkg/vm/wire"},
	"pkg/vm/nbd":                        {},
	"pkg/vm/roots":                      {"pkg/beneath", "pkg/disk/tree", "pkg/owner", "pkg/vm/delta"},
	"pkg/vm/wire":                       {},
	"pkg/wks":                           {"pkg/decl", "pkg/disk/kind", "pkg/lazyregexp", "pkg/words"},
	"pkg/tooltest":                      {},
	"pkg/words":                         {},
	"pkg/xdg":                           {},
	"pkg/yocto":                         {"pkg/disk/tree", "pkg/lazyregexp"},
	"cmd/carosbuild/internal/stepflags": {"cmd/carosbuild/internal/cli", "pkg/bytesize", "pkg/engine", "pkg/network", "pkg/rung", "pkg/sandbox", "pkg/source/debian"},
	"targets":                           {},
	"pkg/source/debian/aptmethod":       {},

	"pkg/engine/enginetest": {"pkg/dirtest", "pkg/engine", "pkg/key", "pkg/layer", "pkg/oci", "pkg/owner", "pkg/plan", "pkg/sandbox", "pkg/source/files"},
	"pkg/userns/usernstest": {"pkg/remedy", "pkg/userns"},
	"pkg/supervisor/creds":  {},
	"pkg/supervisor/decode": {"pkg/supervisor/creds", "pkg/supervisor/filter"},
	"pkg/supervisor/filter": {"pkg/sandbox"},

	"pkg/source/debian/field":   {"pkg/lazyregexp"},
	"pkg/source/debian/solve":   {"pkg/debfile", "pkg/source/debian/field"},
	"pkg/vm/roots/rootstest":    {"pkg/disk/tree"},
	"pkg/source/debian/debtest": {},
	"pkg/source/debian/unpack":  {"pkg/debfile", "pkg/lazyregexp", "pkg/source/debian/field"},
	"pkg/decl/finding":          {"pkg/terminal"},
	"pkg/network":               {"pkg/remedy", "pkg/rtnetlink", "pkg/sandbox"},
	"pkg/dirtest":               {},
	"pkg/decl/xmltext":          {"pkg/decl/finding", "pkg/lazyregexp", "pkg/words"},
	"pkg/source/debian/signed":  {},
	"pkg/engine/remotecache":    {"pkg/engine", "pkg/oci", "pkg/plan"},
	"pkg/oci/stepcache":         {"pkg/lazyregexp", "pkg/oci"},
	"pkg/fsck":                  {},
	"pkg/failure":               {"pkg/decl", "pkg/lazyregexp", "pkg/oci", "pkg/plan", "pkg/sandbox", "pkg/source/debian"},
}

// owners says which package alone may import an outside module.
var owners = map[string][]string{
	"github.com/google/go-containerregistry/": {"pkg/oci", "pkg/oci/ocitest", "pkg/oci/registry"},
	"go.podman.io/image/":                     {"pkg/oci/registry"},
	"go.podman.io/storage":                    {"cmd/carosbuild/internal/cli", "pkg/layer", "pkg/oci/registry"}, // registry: configfile; cli: reexec.Init
	"github.com/pierrec/lz4/":                 {"pkg/disk"},
	"github.com/opencontainers/runtime-spec/": {"pkg/doctor", "pkg/runc", "pkg/sandbox"},
	"github.com/elastic/go-seccomp-bpf":       {"pkg/callfilter", "pkg/supervisor"},
	"github.com/moby/profiles/":               {"pkg/sandbox"},
	"golang.org/x/net/bpf":                    {"pkg/callfilter"},
	"github.com/diskfs/go-diskfs":             {"pkg/disk/partition"},
	"encoding/xml":                            {"pkg/decl/xmltext", "pkg/disk/ova"},
	"github.com/spf13/": { // all of cmd but what draws and prints
		"cmd/carosbuild", "cmd/carosbuild/internal/buildcmd", "cmd/carosbuild/internal/cli", "cmd/carosbuild/internal/complete", "cmd/carosbuild/internal/declfile",
		"cmd/carosbuild/internal/diskcmd", "cmd/carosbuild/internal/doctorcmd", "cmd/carosbuild/internal/feedcmd", "cmd/carosbuild/internal/imagecmd",
		"cmd/carosbuild/internal/importcmd", "cmd/carosbuild/internal/localstore", "cmd/carosbuild/internal/resultcmd", "cmd/carosbuild/internal/stepflags",
	},
	"github.com/ProtonMail/": {"pkg/source/debian/signed"},
	"go.yaml.in/":            {"pkg/kas"},
}

// TestImports reads the sources and fails on an import that the design does
// not allow. Tests are free.
func TestImports(t *testing.T) {
	used := map[string]map[string]bool{} // of each package, what it imports of what it may
	for _, top := range []string{"../cmd", "../pkg", "../targets"} {
		err := filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "testdata" { // programs of tests
				return filepath.SkipDir
			}
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "../")
			mine, ok := allowed[pkg]
			if used[pkg] == nil {
				used[pkg] = map[string]bool{}
			}
			if !ok {
				t.Errorf("package %s is not in the table of this test", pkg)
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, imp := range f.Imports {
				name, err := strconv.Unquote(imp.Path.Value)
				if err != nil {
					return err
				}
				if own, ok := strings.CutPrefix(name, module); ok {
					entry := entryFor(own, mine)
					if entry == "" {
						t.Errorf("%s imports %s", file, own)
					}
					used[pkg][entry] = true
				}
				for prefix, who := range owners {
					if strings.HasPrefix(name, prefix) && !slices.Contains(who, pkg) {
						t.Errorf("%s imports %s, which belongs to %v", file, name, who)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for pkg, entries := range allowed {
		if used[pkg] == nil {
			t.Errorf("package %s of the table does not exist", pkg)
			continue
		}
		for _, entry := range entries {
			if !used[pkg][entry] {
				t.Errorf("%s may import %s and does not: remove it from the table", pkg, entry)
			}
		}
	}
}

// entryFor is what allows to import a package: itself, or else the nearest that it
// lies below; "" if nothing does.
func entryFor(pkg string, entries []string) string {
	for name := pkg; name != "."; name = path.Dir(name) {
		if slices.Contains(entries, name) {
			return name
		}
	}
	return ""
}

// mostLines is what a package may have of lines that are not tests: more are several
// packages.
const mostLines = 4000

// TestPackagesAreSmall: what a package is about can be said in a sentence.
func TestPackagesAreSmall(t *testing.T) {
	larger := []string{
		"pkg/disk/ext4", // one format, which has nothing that stands alone
	}
	lines := map[string]int{}
	for _, top := range []string{"../cmd", "../pkg", "../targets"} {
		err := filepath.WalkDir(top, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			data, err := os.ReadFile(file)
			lines[strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "../")] += bytes.Count(data, []byte("\n"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for pkg, n := range lines {
		if n > mostLines && !slices.Contains(larger, pkg) {
			t.Errorf("package %s has %d lines, and %d is the most: divide it", pkg, n, mostLines)
		}
	}
	for _, pkg := range larger {
		if lines[pkg] <= mostLines {
			t.Errorf("package %s has %d lines: it needs no exception", pkg, lines[pkg])
		}
	}
}

// TestLicenceLine: every Go file begins with its licence, apart from the package's own
// comment.
func TestLicenceLine(t *testing.T) {
	const line = "// SPDX-License-Identifier: MPL-2.0\n\n"
	for _, top := range []string{"../cmd", "../pkg", "../targets", "../integration"} {
		err := filepath.WalkDir(top, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") {
				return err
			}
			data, err := os.ReadFile(file)
			if err == nil && !strings.HasPrefix(string(data), line) {
				t.Errorf("%s does not begin with the licence line and an empty one", file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
