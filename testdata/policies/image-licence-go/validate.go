package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/kubewarden/policy-sdk-go"
	"github.com/kubewarden/policy-sdk-go/pkg/capabilities"
	"github.com/kubewarden/policy-sdk-go/protocol"
)

// container is what this policy wants to know of a pod's container.
type container struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

type pod struct {
	Spec struct {
		InitContainers      []container `json:"initContainers"`
		Containers          []container `json:"containers"`
		EphemeralContainers []container `json:"ephemeralContainers"`
	} `json:"spec"`
}

// containers are in the order in which a pod starts them.
func (p pod) containers() []container {
	var all []container
	all = append(all, p.Spec.InitContainers...)
	all = append(all, p.Spec.Containers...)
	return append(all, p.Spec.EphemeralContainers...)
}

func validate(input []byte) ([]byte, error) {
	var request protocol.ValidationRequest
	if err := json.Unmarshal(input, &request); err != nil {
		return nil, fmt.Errorf("cannot read the request: %w", err)
	}
	settings, err := parseSettings(request.Settings)
	if err != nil {
		return nil, fmt.Errorf("cannot read the settings: %w", err)
	}
	var object pod
	if len(request.Request.Object) > 0 {
		if err := json.Unmarshal(request.Request.Object, &object); err != nil {
			return nil, fmt.Errorf("cannot read the pod: %w", err)
		}
	}

	host := capabilities.NewHost()
	var problems []string
	for _, container := range object.containers() {
		if err := check(&host, settings, container); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		return sdk.RejectRequest(sdk.Message(strings.Join(problems, "; ")), sdk.NoCode)
	}
	return sdk.AcceptRequest()
}

func check(host *capabilities.Host, settings Settings, container container) error {
	image := container.Image
	if image == "" {
		return fmt.Errorf("container %s: no image", container.Name)
	}
	manifest, err := fetchManifest(host, image)
	if err != nil {
		return fmt.Errorf("image %s: manifest not available: %w", image, err)
	}
	licences := manifest.licences(settings)
	if len(licences) == 0 {
		return fmt.Errorf("image %s: no licence annotation", image)
	}
	for _, licence := range licences {
		if !settings.allows(licence) {
			return fmt.Errorf("image %s: licence \"%s\" is not allowed", image, licence)
		}
	}
	return nil
}

// manifest is of an image, or of an index if it has manifests of its own.
type manifest struct {
	Annotations map[string]string `json:"annotations"`
	Layers      []json.RawMessage `json:"layers"`
	Manifests   []struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"manifests"`
}

// fetchManifest reads the reply itself: the SDK's own type refuses a manifest without a
// mediaType, which hosts deliver and the Rust SDK takes.
func fetchManifest(host *capabilities.Host, image string) (*manifest, error) {
	payload, err := json.Marshal(image)
	if err != nil {
		return nil, err
	}
	reply, err := host.Client.HostCall("kubewarden", "oci", "v1/oci_manifest", payload)
	if err != nil {
		return nil, err
	}
	var manifest manifest
	if err := json.Unmarshal(reply, &manifest); err != nil {
		return nil, err
	}
	if manifest.Layers == nil && manifest.Manifests == nil {
		return nil, errors.New("neither an image nor an index")
	}
	return &manifest, nil
}

// licences are one for an image or for an index that names it itself, else one for each entry of
// the index; none if there is a gap.
func (m manifest) licences(settings Settings) []string {
	if licence := settings.licence(m.Annotations); licence != "" {
		return []string{licence}
	}
	var licences []string
	for _, entry := range m.Manifests {
		licence := settings.licence(entry.Annotations)
		if licence == "" {
			return nil
		}
		licences = append(licences, licence)
	}
	return licences
}
