// SPDX-License-Identifier: MPL-2.0

package history

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/layer"
)

// Builds say who has started which build, and when: one small file for each
// build id, beside the store's images. It is not part of an image, because two
// builds, of two persons even, may share one.
type Builds struct{ Dir string }

// BuildInfo is what is kept about one build.
type BuildInfo struct {
	Owner   string    `json:"owner"`
	Started time.Time `json:"started"`
	Pulled  bool      `json:"pulled,omitempty"` // its stages were not built here

	// What the build was of; Note fills in the lists of stages.
	Declaration []string `json:"declaration,omitempty"` // names of the files, without directories
	Targets     []string `json:"targets,omitempty"`     // stages
	Disks       []string `json:"disks,omitempty"`       // ids of those that were written
	DiskStages  []string `json:"disk_stages,omitempty"` // those that the disks are made from
	Leaves      []string `json:"leaves,omitempty"`      // stages that no other one needs
	Skipped     []string `json:"skipped,omitempty"`     // stages based on a step that failed and counts as done
}

// BuildsDir is where a store's Builds are.
func BuildsDir(graphRoot string) string { return filepath.Join(graphRoot, "carosbuild", "builds") }

// Read returns what is known of a build: nothing of one by an older version.
func (b Builds) Read(id string) (BuildInfo, bool) {
	var info BuildInfo
	if !isBuildID(id) {
		return info, false
	}
	data, err := os.ReadFile(b.path(id))
	if err != nil || json.Unmarshal(data, &info) != nil {
		return BuildInfo{}, false
	}
	return info, true
}

// Known is what is known of a build, by itself and by its report, which says of one
// by an older version what was built. Logs is the directory of builds' reports.
func (b Builds) Known(id, logs string) BuildInfo {
	info, _ := b.Read(id)
	if len(info.Targets) > 0 || !isBuildID(id) {
		return info
	}
	r, err := ReadReport(filepath.Join(logs, id))
	if err != nil || len(r.Targets) == 0 {
		return info
	}
	info.Targets, info.Leaves = r.Targets, r.Targets
	for _, f := range r.Declarations {
		info.Declaration = append(info.Declaration, filepath.Base(f.Name))
	}
	if r.Disk != "" {
		info.DiskStages = r.Targets[:1] // the disk's own came first
	}
	return info
}

// Write notes a build; the last writer wins.
func (b Builds) Write(id string, info BuildInfo) error {
	if !isBuildID(id) {
		return fmt.Errorf("note build: %q is not a build id", id)
	}
	data, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("note build %s: %w", id, err)
	}
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return fmt.Errorf("note build %s: %w", id, err)
	}
	if err := freshfile.Replace(b.path(id), data, 0o600); err != nil {
		return fmt.Errorf("note build %s: %w", id, err)
	}
	return nil
}

// Claim notes a build under an id that no other build has: the wanted one, or that
// with a number behind it. It returns the id.
func (b Builds) Claim(wanted string, info BuildInfo) (string, error) {
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return "", fmt.Errorf("note build %s: %w", wanted, err)
	}
	for n, id := 2, wanted; ; n++ {
		f, err := os.OpenFile(b.path(id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return id, errors.Join(f.Close(), b.Write(id, info))
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("note build %s: %w", id, err)
		}
		id = fmt.Sprintf("%s-%d", wanted, n)
	}
}

// Use records that a build is used now. A build without a record does not get one.
func (b Builds) Use(id string, now time.Time) error {
	if !isBuildID(id) {
		return nil
	}
	err := os.Chtimes(b.path(id), now, now)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) { // a build of another user
		return fmt.Errorf("note use of build %s: %w", id, err)
	}
	return nil
}

// used is when a build was made or used last, the zero time if that is not recorded.
func (b Builds) used(id string) time.Time {
	st, err := os.Stat(b.path(id))
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}

// Delete removes what is kept about a build. It is idempotent.
func (b Builds) Delete(id string) error {
	if !isBuildID(id) {
		return nil
	}
	if err := os.Remove(b.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget build %s: %w", id, err)
	}
	return nil
}

func (b Builds) path(id string) string { return filepath.Join(b.Dir, id+".json") }

// isBuildID keeps names of images, which others may have given, from leading out of
// the directory.
func isBuildID(id string) bool {
	return id != "" && len(id) <= 200 && id[0] != '.' && !strings.ContainsAny(id, "/\x00")
}

// IDs are those of the builds that are noted.
func (b Builds) IDs() ([]string, error) {
	files, err := os.ReadDir(b.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list builds: %w", err)
	}
	var ids []string
	for _, f := range files {
		if id, ok := strings.CutSuffix(f.Name(), ".json"); ok && isBuildID(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Foreign reports whether a build is known to belong to another user.
// One without a note, by an older version, belongs to everybody.
func (b Builds) Foreign(id, user string) bool {
	info, ok := b.Read(id)
	return ok && info.Owner != user
}

// Suffixes of the names of images that are not a stage's result.
const (
	failureSuffix = "-failure"
	startSuffix   = "-start"
)

// StoredStage is a stage that a build has left in the store.
type StoredStage struct {
	BuildID string
	Stage   string // as in the image's name, with the suffix of its Status
	Status  Status
	Started time.Time // of the build
	Used    time.Time // last
	Owner   string    // of the build, "" where it is not recorded
	Image   layer.Image
	Skipped bool // it is based on a step that failed and counts as done
}

// Name is BUILDID:STAGE.
func (s StoredStage) Name() string { return s.BuildID + ":" + s.Stage }

// StoredStages are the stages among a store's images, the newest build first,
// and those of one build by name. Builds of others than user are left out;
// an empty user sees all.
func StoredStages(images []layer.Image, b Builds, user string) []StoredStage {
	var out []StoredStage
	known := map[string]BuildInfo{} // of each build; without an owner for one that is not recorded
	newest, used := map[string]time.Time{}, map[string]time.Time{}
	for _, img := range images {
		for _, n := range img.Names {
			rest, ok := strings.CutPrefix(n, imagePrefix)
			id, stage, tagged := strings.Cut(rest, ":")
			if !ok || !tagged || !isBuildID(id) {
				continue
			}
			info, seen := known[id]
			if !seen {
				info, _ = b.Read(id)
				known[id], used[id] = info, b.used(id)
			}
			if user != "" && info.Owner != "" && info.Owner != user {
				continue
			}
			if img.Created.After(newest[id]) {
				newest[id] = img.Created
			}
			out = append(out, StoredStage{BuildID: id, Stage: stage, Status: statusOf(stage), Owner: info.Owner, Image: img})
		}
	}
	for i, s := range out {
		if out[i].Started = known[s.BuildID].Started; out[i].Started.IsZero() {
			out[i].Started = newest[s.BuildID]
		}
		out[i].Skipped = s.Status == Done && slices.Contains(known[s.BuildID].Skipped, s.Stage)
		if out[i].Used = used[s.BuildID]; out[i].Used.Before(out[i].Started) {
			out[i].Used = out[i].Started
		}
	}
	slices.SortFunc(out, func(x, y StoredStage) int {
		return cmp.Or(y.Started.Compare(x.Started), cmp.Compare(y.BuildID, x.BuildID), cmp.Compare(x.Stage, y.Stage))
	})
	return out
}

func statusOf(stage string) Status {
	switch {
	case strings.HasSuffix(stage, failureSuffix):
		return Failed
	case strings.HasSuffix(stage, startSuffix):
		return Start
	}
	return Done
}

// MatchBuild reports whether a build id is the one that is meant, or one that
// a pattern of *, ? and [...] covers. Capital letters count as small ones, since
// a build id has none.
func MatchBuild(pattern, id string) bool {
	pattern = strings.ToLower(pattern)
	ok, err := path.Match(pattern, id)
	return pattern == id || err == nil && ok
}
