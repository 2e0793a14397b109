// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Action is what a step does: one of the types of this file, as a pointer.
type Action interface{ action() }

// Bootstrap makes a root file system from packages.
type Bootstrap struct {
	Wanted   debian.Bootstrap   `json:"wanted"`
	Packages *debian.Resolution `json:"packages"`
	Keyring  string             `json:"keyring_digest,omitempty"` // of the file that Wanted names, or ""; it was read when the packages were resolved
}

// From starts with an image.
type From struct {
	Image  string `json:"image"`            // as the declaration writes it
	Pinned string `json:"pinned,omitempty"` // the same image by digest
	Arch   string `json:"image_arch,omitempty"`
}

// Run runs a command.
type Run struct {
	Args []string `json:"args"`
}

// Copy adds files from this machine or from another stage.
type Copy struct {
	Sources  []Source `json:"sources"`
	Stage    string   `json:"from_stage,omitempty"` // stage that the sources are in; "" for this machine
	Dest     string   `json:"destination"`
	Owner    string   `json:"owner,omitempty"`    // USER[:GROUP]; "" for the superuser, or as in the stage
	Mode     string   `json:"mode,omitempty"`     // octal; "" leaves it as it is
	Optional bool     `json:"optional,omitempty"` // a source that does not exist is left out
}

// Source is a file or directory that is added.
type Source struct {
	Name   string `json:"name"`             // as declared
	Path   string `json:"path,omitempty"`   // path on this machine; "" in a stage, or if the source is optional and does not exist
	Digest string `json:"digest,omitempty"` // of the file or directory, see files.Digest
}

// Env sets variables.
type Env struct {
	Variables []Variable `json:"variables"`
}

// Variable is a decl.EnvVar.
type Variable struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Expand bool   `json:"expand,omitempty"` // variables in Value are filled in
}

// Fill returns the variable's value, with variables in it filled in.
func (v Variable) Fill(lookup decl.Lookup) string { return decl.EnvVar(v).Fill(lookup) }

// Workdir sets the working directory of the following actions, and makes it.
type Workdir struct {
	Dir string `json:"directory"`
}

// User sets the user of the following actions.
type User struct {
	Name string `json:"user"`
}

// Reposync checks out git trees.
type Reposync struct {
	Trees []GitTree    `json:"trees"`
	From  []git.Pinned `json:"from"` // where each tree is fetched from: an address may have a password
}

// BBLayers writes bitbake's bblayers.conf.
type BBLayers struct {
	Conf *Conf `json:"conf"`
}

// LocalConf writes bitbake's local.conf.
type LocalConf struct {
	Conf *Conf `json:"conf"`
}

// Bitbake runs bitbake.
type Bitbake struct {
	Conf    *Conf    `json:"conf"`
	Command string   `json:"command,omitempty"` // task, or "" for the default one
	Targets []string `json:"targets"`
	User    string   `json:"user,omitempty"` // "" for the stage's user
}

func (*Bootstrap) action() {}
func (*From) action()      {}
func (*Run) action()       {}
func (*Copy) action()      {}
func (*Env) action()       {}
func (*Workdir) action()   {}
func (*User) action()      {}
func (*Reposync) action()  {}
func (*BBLayers) action()  {}
func (*LocalConf) action() {}
func (*Bitbake) action()   {}

// BootstrapKind is the Kind of the step of a bootstrap element.
const BootstrapKind = "BOOTSTRAP"

// newAction is an empty action of a kind, or nil if the kind is not known.
func newAction(kind string) Action {
	switch decl.ActionKind(kind) {
	case BootstrapKind:
		return &Bootstrap{}
	case decl.FromKind:
		return &From{}
	case decl.RunKind:
		return &Run{}
	case decl.AddKind, decl.CopyKind:
		return &Copy{}
	case decl.EnvKind:
		return &Env{}
	case decl.WorkdirKind:
		return &Workdir{}
	case decl.UserKind:
		return &User{}
	case decl.ReposyncKind:
		return &Reposync{}
	case decl.CreateBBLayersKind:
		return &BBLayers{}
	case decl.CreateLocalConfKind:
		return &LocalConf{}
	case decl.BitbakeKind:
		return &Bitbake{}
	}
	return nil
}
