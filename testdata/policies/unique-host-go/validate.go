package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/kubewarden/policy-sdk-go"
	"github.com/kubewarden/policy-sdk-go/pkg/capabilities"
	"github.com/kubewarden/policy-sdk-go/pkg/capabilities/kubernetes"
	"github.com/kubewarden/policy-sdk-go/protocol"
)

// ingress is what this policy wants to know of one.
type ingress struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Rules []struct {
			Host string `json:"host"`
		} `json:"rules"`
	} `json:"spec"`
}

// hosts are sorted and without repetitions. A rule without a host is for every host and takes none.
func (i ingress) hosts() []string {
	var hosts []string
	for _, rule := range i.Spec.Rules {
		if rule.Host != "" {
			hosts = append(hosts, rule.Host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

func (i ingress) is(other ingress) bool {
	return i.Metadata == other.Metadata
}

func validate(input []byte) ([]byte, error) {
	var request protocol.ValidationRequest
	if err := json.Unmarshal(input, &request); err != nil {
		return nil, fmt.Errorf("cannot read the request: %w", err)
	}
	var ours ingress
	if len(request.Request.Object) > 0 {
		if err := json.Unmarshal(request.Request.Object, &ours); err != nil {
			return nil, fmt.Errorf("cannot read the ingress: %w", err)
		}
	}
	if len(ours.hosts()) == 0 {
		return sdk.AcceptRequest()
	}
	if ours.Metadata.Namespace == "" {
		ours.Metadata.Namespace = request.Request.Namespace
	}
	others, err := allIngresses()
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, host := range ours.hosts() {
		taker := slices.IndexFunc(others, func(other ingress) bool {
			return !other.is(ours) && slices.Contains(other.hosts(), host)
		})
		if taker >= 0 {
			other := others[taker].Metadata
			problems = append(problems,
				fmt.Sprintf("host %s is already used by ingress %s/%s", host, other.Namespace, other.Name))
		}
	}
	if len(problems) > 0 {
		return sdk.RejectRequest(sdk.Message(strings.Join(problems, "; ")), sdk.NoCode)
	}
	return sdk.AcceptRequest()
}

// allIngresses asks the host; a list that cannot be had fails the call.
func allIngresses() ([]ingress, error) {
	host := capabilities.NewHost()
	reply, err := kubernetes.ListResources(&host, kubernetes.ListAllResourcesRequest{
		APIVersion: "networking.k8s.io/v1",
		Kind:       "Ingress",
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list ingresses: %w", err)
	}
	var list struct {
		Items []ingress `json:"items"`
	}
	if err := json.Unmarshal(reply, &list); err != nil {
		return nil, fmt.Errorf("cannot read the list of ingresses: %w", err)
	}
	return list.Items, nil
}
