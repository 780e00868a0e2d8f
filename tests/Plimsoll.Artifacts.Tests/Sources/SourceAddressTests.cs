using CsCheck;

namespace Plimsoll.Artifacts.Tests;

public sealed class SourceAddressTests
{
    [Theory]
    [InlineData("models/llama", "models/llama")]
    [InlineData("C:\\x", "C:\\x")]
    [InlineData("file:///m/llama%201", "/m/llama 1")]
    [InlineData("https://user:pw@h:8443/a%20b/c.gguf?sig=s#f", "https://h:8443/a%20b/c.gguf")]
    [InlineData("HTTP://h/x", "http://h/x")]
    [InlineData("s3://bucket", "s3://bucket")]
    [InlineData("s3://bucket/a/b c/", "s3://bucket/a/b c")]
    [InlineData("gs://my_bucket.x/a.gguf", "gs://my_bucket.x/a.gguf")]
    [InlineData("hf://org/na.me", "hf://org/na.me")]
    [InlineData("hf://org/name@main/sub/x.gguf", "hf://org/name/sub/x.gguf")]
    [InlineData("hf://org/name@v1.0/", "hf://org/name@v1.0")]
    [InlineData("hf://org/name@refs/pr/3/config.json", "hf://org/name@refs%2Fpr%2F3/config.json")]
    [InlineData("pvc://claim-1/models/x", "pvc://claim-1/models/x")]
    public void An_address_is_taken_apart_and_shown_without_secrets(string text, string shown)
    {
        var address = SourceAddress.Parse(text);

        Assert.Equal(shown, address.Shown);
        Assert.Equal(shown, address.ToString());
    }

    [Fact]
    public void A_hub_address_has_a_model_a_revision_and_a_path()
    {
        Assert.Equal(new SourceAddress.Hub("org/name", "main", ""), SourceAddress.Parse("hf://org/name"));
        Assert.Equal(new SourceAddress.Hub("org/name", "refs/pr/3", "a/b"), SourceAddress.Parse("hf://org/name@refs%2Fpr%2F3/a/b"));
        Assert.Equal(new SourceAddress.Bucket("s3", "bucket", "a/b") { IsFolder = true }, SourceAddress.Parse("s3://bucket/a/b/"));
    }

    [Theory]
    [InlineData("", "1 to 4096 characters")]
    [InlineData("a\nb", "control character")]
    [InlineData("https:///x", "https://HOST/PATH would do")]
    [InlineData("ftp://user:hidden@h/x", "a path, or https://, s3://, gs://, hf:// or pvc:// would do")]
    [InlineData("s3://AKID:hidden@bucket/x", "s3://BUCKET/KEY would do")]
    [InlineData("s3://bucket/x?X-Amz-Signature=hidden", "a signed address begins with https://")]
    [InlineData("s3://b/x", "\"s3://b/x\" is no source")]
    [InlineData("s3://bucket/a/../b", "without empty parts")]
    [InlineData("s3://bucket/a//b", "without empty parts")]
    [InlineData("gs://bucket/a\\b", "or a backslash")]
    [InlineData("hf://gpt2", "hf://ORG/NAME@REVISION/FILE would do")]
    [InlineData("hf://hidden@org/name", "hf://ORG/NAME@REVISION/FILE would do")]
    [InlineData("hf://org/name:v1", "hf://ORG/NAME@REVISION/FILE would do")]
    [InlineData("hf://org/name@", "hf://ORG/NAME@REVISION/FILE would do")]
    [InlineData("hf://org/../x", "hf://ORG/NAME@REVISION/FILE would do")]
    [InlineData("hf://org/name@a/../../x", "without empty parts")]
    [InlineData("pvc:///x", "pvc://CLAIM/PATH would do")]
    [InlineData("pvc://../x", "pvc://CLAIM/PATH would do")]
    [InlineData("pvc://claim/../../etc", "without empty parts")]
    public void What_is_no_address_is_one_sentence_that_repeats_no_secret(string text, string part)
    {
        var message = Assert.Throws<ArtifactException>(() => SourceAddress.Parse(text)).Message;

        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Any_text_is_an_address_or_one_sentence_and_none_leads_out_of_its_folder()
    {
        var scheme = Gen.OneOf("", "s3://", "gs://", "hf://", "hf://org/name", "hf://org/name@", "pvc://", "https://", "http://h/", "file://", "x+y://");
        var rest = Gen.OneOf<string>([Gen.String, Gen.String[Gen.OneOf('a', '/', '.', '@', ':', '?', '#', '%', '2', 'F', '\\', '-', ' ', 'é'), 0, 40]]);
        Gen.Select(scheme, rest).Sample((start, text) =>
        {
            SourceAddress address;
            try
            {
                address = SourceAddress.Parse(start + text);
            }
            catch (ArtifactException refused)
            {
                Assert.InRange(refused.Message.Length, 20, 500);
                Assert.DoesNotContain(refused.Message, char.IsControl);
                return;
            }

            var path = address switch
            {
                SourceAddress.Bucket bucket => bucket.Key,
                SourceAddress.Hub hub => hub.Path,
                SourceAddress.Claim claim => claim.Path,
                _ => "",
            };
            Assert.DoesNotContain(path.Split('/'), part => part is "." or "..");
            if (path.Length > 0) Assert.DoesNotContain(path.Split('/'), part => part.Length == 0);
            if (address is SourceAddress.Bucket or SourceAddress.Hub or SourceAddress.Claim)
                Assert.Equal(address.Shown, SourceAddress.Parse(address.Shown).Shown);
        }, iter: 20_000);
    }

    [Fact]
    public void A_secret_in_an_address_is_in_nothing_that_is_shown()
    {
        var scheme = Gen.OneOf("https", "http", "s3", "gs", "hf", "pvc", "ftp");
        var place = Gen.OneOf("user:{0}@host/a/b", "{0}@host.x/a", "host.x/a?sig={0}", "host.x/a?b=1&token={0}#x", "k:{0}@org/name@main");
        Gen.Select(scheme, place).Sample((name, form) =>
        {
            var text = $"{name}://{form.Replace("{0}", "s3cr3t", StringComparison.Ordinal)}";
            string shown;
            try
            {
                shown = SourceAddress.Parse(text).ToString();
            }
            catch (ArtifactException refused)
            {
                shown = refused.ToString();
            }

            Assert.DoesNotContain("s3cr3t", shown, StringComparison.Ordinal);
        });
    }
}
