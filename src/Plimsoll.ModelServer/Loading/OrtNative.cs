using System.Runtime.InteropServices;
using SessionOptions = Microsoft.ML.OnnxRuntime.SessionOptions;

namespace Plimsoll.ModelServer;

/// <summary>
/// The one call of ONNX Runtime's C API that its managed library does not offer: external data from memory.
/// OrtApi is a table of functions whose order never changes; the indices were computed with offsetof from
/// onnxruntime_c_api.h of 1.31.
/// </summary>
internal static unsafe partial class OrtNative
{
    private const uint ApiVersion = 31;
    private const int GetErrorMessage = 2;
    private const int ReleaseStatus = 93;
    private const int AddExternalInitializersFromFilesInMemory = 279;

    /// <summary>Lets the model's external data named <paramref name="fileName"/> be the memory at
    /// <paramref name="address"/>, which has to stay until the session is gone.</summary>
    public static void AddExternalFile(SessionOptions options, string fileName, nint address, long bytes)
    {
        var api = ((delegate* unmanaged[Cdecl]<uint, void**>)OrtGetApiBase()[0])(ApiVersion);
        if (api == null)
            throw new InvalidOperationException($"ONNX Runtime does not offer version {ApiVersion} of its interface.");
        var add = (delegate* unmanaged[Cdecl]<nint, byte**, byte**, nuint*, nuint, void*>)api[AddExternalInitializersFromFilesInMemory];
        var name = (byte*)Marshal.StringToCoTaskMemUTF8(fileName);
        try
        {
            var buffer = (byte*)address;
            var length = (nuint)bytes;
            var status = add(options.DangerousGetHandle(), &name, &buffer, &length, 1);
            if (status == null)
                return;
            var message = Marshal.PtrToStringUTF8((nint)((delegate* unmanaged[Cdecl]<void*, byte*>)api[GetErrorMessage])(status));
            ((delegate* unmanaged[Cdecl]<void*, void>)api[ReleaseStatus])(status);
            throw new InvalidOperationException(message);
        }
        finally
        {
            Marshal.FreeCoTaskMem((nint)name);
        }
    }

    [LibraryImport("onnxruntime")]
    [UnmanagedCallConv(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static partial void** OrtGetApiBase();
}
