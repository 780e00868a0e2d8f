using System.Net;
using System.Net.Security;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Webhook;

/// <summary>
/// Makes the API server ask the webhook, and only of pods in namespaces with a ScaledModel that says so: the leader keeps
/// the MutatingWebhookConfiguration up, and where the certificate is the operator's own makes and renews it; every replica
/// reads it from the Secret. Whether failures are ignored is the configuration's own affair and is left as it is.
/// </summary>
public sealed class WebhookRegistration(
    KubernetesApi api, AppliedModels models, WebhookOptions options, string space, Func<bool> mayWrite, TimeProvider time, Action<string> log)
{
    /// <summary>The webhook's name in its configuration.</summary>
    public const string Name = "pods.plimsoll.dev";

    /// <summary>With this value the label keeps a pod, and so what is planned for it, as its template has it.</summary>
    public const string ApplyLabel = "plimsoll.dev/apply";
    public const string ApplyNothing = "nothing";

    // More names than anybody reads; a configuration must stay an object of a size that the API server stores.
    private const int NamespacesMax = 5_000;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Renew = TimeSpan.FromSeconds(30);

    private readonly string _secret = $"api/v1/namespaces/{space}/secrets/{options.Secret}";
    private readonly string _configuration = $"apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{options.Configuration}";
    private volatile SslStreamCertificateContext? _context;
    private WebhookCertificate? _certificate;
    private long? _readAt;
    private long? _writtenAt;
    private string _written = "";
    private volatile HashSet<string> _covered = [];
    private string _said = "";

    /// <summary>The operator's own certificate as last read; null before it was made.</summary>
    public SslStreamCertificateContext? Certificate => _context;

    /// <summary>Whether the API server was told to ask the webhook of a namespace's new pods; the leader's alone to say.</summary>
    public bool Covers(string namespaceName) => _covered.Contains(namespaceName);

    /// <summary>Keeps both up until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                if (options.MakesItsOwn) await CertifyAsync(cancellationToken).ConfigureAwait(false);
                if (!mayWrite()) (_covered, _written, _writtenAt) = ([], "", null);
                else if (!options.MakesItsOwn || _certificate is not null) await RegisterAsync(cancellationToken).ConfigureAwait(false);
                _said = "";
            }
            catch (ApiException failed) when (failed.Status == HttpStatusCode.Conflict)
            {
                // Another wrote the Secret meanwhile; what it wrote is read next.
                _readAt = null;
            }
            catch (ApiException failed)
            {
                Say(failed.Message);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(Jitter.Around(Look, 0.1), time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task CertifyAsync(CancellationToken cancellationToken)
    {
        if (_certificate is not null && _readAt is { } read && time.GetElapsedTime(read) < Renew) return;
        using var secret = await api.FindAsync(_secret, cancellationToken).ConfigureAwait(false);
        if (secret is null)
        {
            Say($"the Secret {space}/{options.Secret} is not there, so the webhook has no certificate; kubectl apply -k deploy/webhook would do");
            return;
        }

        _readAt = time.GetTimestamp();
        var data = secret.RootElement.At("data") ?? default;
        var found = WebhookCertificate.Of(name => data.Text(name) is { } text && TryDecode(text) is { } bytes ? bytes : null);
        var wanted = WebhookCertificate.Renewed(found, Names(), time.GetUtcNow());
        if (wanted != found && mayWrite())
        {
            // A new authority is trusted before anybody shows what it signed.
            if (found is not null && wanted.Authorities != found.Authorities) await WriteAsync(wanted, Wanted(), cancellationToken).ConfigureAwait(false);
            using (await api.ReplaceAsync(_secret, Body(secret.RootElement, wanted), cancellationToken).ConfigureAwait(false)) { }
            log($"the webhook's certificate was {(found is null ? "made" : "renewed")}; it is in the Secret {space}/{options.Secret}");
            found = wanted;
        }

        if (found is null || found == _certificate) return;
        _context = found.Context();
        _certificate = found;
    }

    private async Task RegisterAsync(CancellationToken cancellationToken)
    {
        var wanted = Wanted();
        var essence = string.Join(',', wanted) + _certificate?.Authorities;
        if (essence == _written && _writtenAt is { } at && time.GetElapsedTime(at) < Renew) return;
        using (var there = await api.FindAsync(_configuration, cancellationToken).ConfigureAwait(false))
        {
            if (there is null)
            {
                _covered = [];
                Say($"the MutatingWebhookConfiguration {options.Configuration} is not there, so nobody asks the webhook; kubectl apply -k deploy/webhook would do");
                return;
            }
        }

        await WriteAsync(_certificate, wanted, cancellationToken).ConfigureAwait(false);
        (_written, _writtenAt, _covered) = (essence, time.GetTimestamp(), [.. wanted]);
    }

    private async Task WriteAsync(WebhookCertificate? certificate, string[] namespaces, CancellationToken cancellationToken)
    {
        if (!mayWrite()) return;
        using var written = await api.PatchAsync(
            _configuration, Encoding.UTF8.GetBytes(Configuration(certificate, namespaces).ToJsonString()), PatchKind.Apply, cancellationToken).ConfigureAwait(false);
    }

    private string[] Wanted() => [.. models.Namespaces().Take(NamespacesMax)];

    private JsonObject Configuration(WebhookCertificate? certificate, string[] namespaces)
    {
        var client = new JsonObject
        {
            ["service"] = new JsonObject
            {
                ["name"] = options.Service,
                ["namespace"] = space,
                ["path"] = WebhookOptions.Path,
                ["port"] = options.ServicePort,
            },
        };
        if (certificate is not null) client["caBundle"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(certificate.Authorities));
        // An empty list of values is none that the API server takes: this one selects nothing.
        var selector = namespaces.Length > 0
            ? Selecting("kubernetes.io/metadata.name", "In", namespaces) : Selecting("plimsoll.dev/webhook", "In", "nowhere");
        return new JsonObject
        {
            ["apiVersion"] = "admissionregistration.k8s.io/v1",
            ["kind"] = "MutatingWebhookConfiguration",
            ["metadata"] = new JsonObject { ["name"] = options.Configuration },
            ["webhooks"] = new JsonArray(new JsonObject
            {
                ["name"] = Name,
                ["clientConfig"] = client,
                ["namespaceSelector"] = selector,
                ["objectSelector"] = Selecting(ApplyLabel, "NotIn", ApplyNothing),
                ["rules"] = new JsonArray(new JsonObject
                {
                    ["apiGroups"] = new JsonArray(""),
                    ["apiVersions"] = new JsonArray("v1"),
                    ["operations"] = new JsonArray("CREATE"),
                    ["resources"] = new JsonArray("pods"),
                    ["scope"] = "Namespaced",
                }),
                ["admissionReviewVersions"] = new JsonArray("v1"),
                ["sideEffects"] = "None",
                ["reinvocationPolicy"] = "IfNeeded",
                ["matchPolicy"] = "Equivalent",
            }),
        };
    }

    private static JsonObject Selecting(string key, string relation, params string[] values) => new()
    {
        ["matchExpressions"] = new JsonArray(new JsonObject
        {
            ["key"] = key,
            ["operator"] = relation,
            ["values"] = new JsonArray([.. values.Select(value => (JsonNode)value)]),
        }),
    };

    private string[] Names() => [$"{options.Service}.{space}.svc", $"{options.Service}.{space}.svc.cluster.local"];

    private static byte[] Body(System.Text.Json.JsonElement before, WebhookCertificate certificate)
    {
        var secret = JsonObject.Create(before.Clone())!;
        var data = new JsonObject();
        foreach (var (name, text) in ((string, string)[])
            [(WebhookCertificate.AuthorityField, certificate.Authorities), (WebhookCertificate.AuthorityKeyField, certificate.AuthorityKey),
             (WebhookCertificate.CertificateField, certificate.Certificate), (WebhookCertificate.KeyField, certificate.Key)])
            data[name] = Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
        secret["data"] = data;
        return Encoding.UTF8.GetBytes(secret.ToJsonString());
    }

    private static byte[]? TryDecode(string text)
    {
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var length) ? bytes[..length] : null;
    }

    // Tried again each second, said once.
    private void Say(string problem)
    {
        if (problem != _said) log($"webhook: {problem}");
        _said = problem;
    }
}
