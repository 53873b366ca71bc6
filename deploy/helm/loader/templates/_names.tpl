{{/* The release's name, so that one namespace can hold the loaders of several groups. */}}
{{- define "loader.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "loader.labels" -}}
app.kubernetes.io/name: loader
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
