namespace Plimsoll.Artifacts;

internal static class TritonRepository
{
    public static ArtifactHeader? Read(ByteFolder folder) => null;
}
