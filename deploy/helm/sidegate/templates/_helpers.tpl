{{/* The name of the app within this chart. */}}
{{- define "sidegate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of everything that this release makes. */}}
{{- define "sidegate.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "sidegate.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What pods are selected by: it must not change. */}}
{{- define "sidegate.selector" -}}
app.kubernetes.io/name: {{ include "sidegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sidegate.labels" -}}
{{ include "sidegate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sidegate.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "sidegate.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* The file that sidegate reads. */}}
{{- define "sidegate.config" -}}
{{- toYaml .Values.config }}
{{- end }}

{{/* The port of the admin listener; nothing where there is none. */}}
{{- define "sidegate.adminPort" -}}
{{- if kindIs "map" .Values.config.admin }}
{{- $address := required "config.admin.address is needed: probes ask there" .Values.config.admin.address }}
{{- if or (hasPrefix "127." $address) (hasPrefix "[::1]" $address) }}
{{- fail (printf "config.admin.address is %s, where the kubelet's probes cannot come; write 0.0.0.0:9180, the network policy keeps strangers away" $address) }}
{{- end }}
{{- regexFind "[0-9]+$" $address }}
{{- else }}
{{- fail "config.admin is needed: probes ask there; write config.admin.address: 0.0.0.0:9180" }}
{{- end }}
{{- end }}

{{- define "sidegate.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* Fails where a port of the Service leads to no listener, or a listener has no port. */}}
{{- define "sidegate.checkPorts" -}}
{{- $listening := list }}
{{- range .Values.config.listeners }}
{{- $listening = append $listening (regexFind "[0-9]+$" .address) }}
{{- end }}
{{- $led := list }}
{{- range $name, $port := .Values.ports }}
{{- $led = append $led (toString $port.targetPort) }}
{{- if not (has (toString $port.targetPort) $listening) }}
{{- fail (printf "ports.%s.targetPort is %v, where no listener of config.listeners is (%s)" $name $port.targetPort (join ", " $listening)) }}
{{- end }}
{{- end }}
{{- range $listening }}
{{- if not (has . $led) }}
{{- fail (printf "config.listeners has one at port %s, to which nothing in `ports` leads" .) }}
{{- end }}
{{- end }}
{{- end }}
