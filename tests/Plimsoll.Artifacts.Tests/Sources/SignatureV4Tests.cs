namespace Plimsoll.Artifacts.Tests;

/// <summary>The worked examples of the Amazon S3 API Reference, "Examples: Signature Calculations in AWS Signature Version 4".</summary>
public sealed class SignatureV4Tests
{
    private static readonly DateTimeOffset At = new(2013, 5, 24, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_range_of_an_object_is_signed_as_published()
    {
        var signed = Signed("https://examplebucket.s3.amazonaws.com/test.txt", new KeyValuePair<string, string>("range", "bytes=0-9"));

        Assert.Equal("20130524T000000Z", signed["x-amz-date"]);
        Assert.Equal(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", signed["Authorization"]);
    }

    [Fact]
    public void A_listing_is_signed_as_published() => Assert.EndsWith(
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        Signed("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J")["Authorization"], StringComparison.Ordinal);

    private static Dictionary<string, string> Signed(string url, params KeyValuePair<string, string>[] more) => SignatureV4.Sign(
        new Uri(url), "us-east-1", new BucketKeys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", null), At, more)
        .ToDictionary(header => header.Key, header => header.Value, StringComparer.Ordinal);
}
